-- One row per cohort of stage_cohorts that came to the next stage, and bound on how long it took: a histogram from which the share within any of the bounds is exact, and a median of any sum of rows is known to its bin. Only attempts that advanced.
-- journey: name of the journey
-- persona: persona of the attempts
-- stage: the stage reached
-- next_stage: the next required stage
-- reached_date: day of the first visit to the stage, in the workspace's time zone
-- device: device of the attempt's first event
-- os: operating system of the attempt's first event
-- browser: browser of the attempt's first event
-- country: country of the attempt's first event
-- channel: channel of the attempt's first event
-- is_new_user: whether the attempt's first event was of a new user
-- age_days: days from reached_date to the day of the first visit to the next stage
-- above_seconds: it took longer than this; NULL in the first bin
-- within_seconds: it took at most this; NULL in the last bin. Sum the rows up to a bound for "advanced within it"
-- advanced: attempts that advanced in this time
-- materialized: view
select
    j.journey, c.persona, s.stage, s.next_stage, n.reached_date,
    c.* exclude (cell_number, persona),
    n.age_days, n.above_seconds, n.within_seconds, n.advanced
from intermediate.delay_counts as n
inner join intermediate.cells as c on n.cell_number = c.cell_number
inner join config.journeys as j on n.journey_number = j.journey_number
inner join config.persona_stages as s
    on n.journey_number = s.journey_number and c.persona = s.persona and n.stage_number = s.stage_number
