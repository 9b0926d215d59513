-- One row per journey, persona, transition from a required stage to the next, day on which attempts first reached the stage, combination of segment values, and age at which they came to the next. Leaf grain, no totals. An attempt without an age has not come so far; it may still be open.
-- journey: name of the journey
-- persona: persona of the attempts
-- stage: the stage reached
-- stage_number: its place in the ideal order, from 1
-- next_stage: the next required stage
-- reached_date: day of the first visit to the stage, in the workspace's time zone
-- device: device of the attempt's first event
-- os: operating system of the attempt's first event
-- browser: browser of the attempt's first event
-- country: country of the attempt's first event
-- channel: channel of the attempt's first event
-- is_new_user: whether the attempt's first event was of a new user
-- age_days: days from reached_date to the day of the first visit to the next stage at or after it, from 0 to the days of the window (one more where clocks go forward on the way); NULL where there is none so far
-- attempts: attempts that reached the stage
-- converted: of those with an age, attempts that reached the goal
-- value: the money of these, in the workspace's currency
-- seconds: time from first reaching the stage to the next stage, summed over those with an age
-- median_seconds: the median of these times in this row; over several rows marts.stage_delays tells it
-- within_ideal: of those with an age, attempts that came within the time that the ideal of the next stage gives, inclusive; NULL where the journey writes none
-- skipped: attempts that later reached a required stage beyond the next, which they never visited
-- looped: attempts that left the stage for another and came back to it
-- backtracked: attempts that went on to an earlier stage after first reaching this one
-- materialized: view
select
    j.journey, c.persona, s.stage, s.stage_number, s.next_stage, n.reached_date,
    c.* exclude (cell_number, persona),
    n.age_days, n.attempts, n.converted, n.value, n.seconds, n.median_seconds, n.within_ideal,
    n.skipped, n.looped, n.backtracked
from intermediate.cohort_counts as n
inner join intermediate.cells as c on n.cell_number = c.cell_number
inner join config.journeys as j on n.journey_number = j.journey_number
inner join config.persona_stages as s
    on n.journey_number = s.journey_number and c.persona = s.persona and n.stage_number = s.stage_number
