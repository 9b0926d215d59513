-- One row per journey, persona, entry date, combination of segment values and required stage. Leaf grain, no totals: sum what you need. reached = advanced + still_open + lost.
-- journey: name of the journey
-- persona: persona of the attempts
-- entry_date: day the attempts opened, in the workspace's time zone
-- device: device of the attempt's first event
-- os: operating system of the attempt's first event
-- browser: browser of the attempt's first event
-- country: country of the attempt's first event
-- channel: channel of the attempt's first event
-- is_new_user: whether the attempt's first event was of a new user
-- stage: the stage reached
-- stage_number: its place in the ideal order, from 1
-- next_stage: the next required stage, NULL at the goal
-- reached: attempts that visited the stage
-- advanced: of these, attempts that visited the next stage afterwards (at the goal: all)
-- still_open: of these, neither advanced nor over: nobody can know yet
-- lost: of these, neither advanced nor open
-- matured: of those reached, attempts whose window is over, whatever came of them
-- matured_advanced: of these, attempts that advanced
-- matured_converted: of these advanced, attempts that reached the goal
-- matured_value: the money of these, in the workspace's currency
-- median_seconds_to_next: median time from first reaching the stage to the next stage
-- materialized: view
select
    j.journey, c.persona, n.entry_date,
    c.* exclude (cell_number, persona),
    s.stage, s.stage_number, s.next_stage,
    n.reached, n.advanced, n.still_open, n.lost, n.matured, n.matured_advanced, n.matured_converted,
    n.matured_value, n.median_seconds_to_next
from intermediate.funnel_counts as n
inner join intermediate.cells as c on n.cell_number = c.cell_number
inner join config.journeys as j on n.journey_number = j.journey_number
inner join config.persona_stages as s
    on n.journey_number = s.journey_number and c.persona = s.persona and n.stage_number = s.stage_number
