-- One row per attempt: from a visit to the entry stage to the goal, or to the end of the window.
-- journey: name of the journey
-- attempt_id: digest of the attempt
-- user_key: the person
-- entered_at: when it opened, UTC
-- entry_date: day it opened, in the workspace's time zone
-- furthest_stage: the stage furthest along the ideal order that it visited
-- furthest_stage_number: place of that stage, from 1
-- outcome: converted, abandoned (the window is over), or open (nobody can know yet)
-- converted_at: entry of the goal visit, UTC; NULL unless converted
-- path: stages visited, in order, joined by >
-- skips: required stages below the furthest that were never visited
-- loops: visits to a stage visited before
-- backtracks: visits to a stage before the furthest so far
-- fitness: 1 where the path is one the ideal allows, less per visit too many or missing; in [0,1]
-- value: money of the goal in the workspace's currency, each transaction once; NULL unless converted
-- persona: first persona of the journey that matches the attempt's first event, else default
-- device: device of its first event
-- os: operating system of its first event
-- browser: browser of its first event
-- country: country of its first event
-- channel: channel of its first event
-- is_new_user: whether its first event was of a new user
-- materialized: view
with joined as (
    select
        a.journey,
        key_text(a.attempt_number) as attempt_id,
        key_text(a.user_number) as user_key,
        moment(a.entered_us) as entered_at,
        a.entry_date,
        s.stage as furthest_stage,
        a.furthest_stage_number,
        a.outcome,
        moment(a.converted_us) as converted_at,
        p.path,
        k.skips,
        p.loops,
        p.backtracks,
        f.fitness,
        a.value,
        a.* exclude (
            journey_number, journey, attempt_number, user_number, entered_us, entry_date,
            furthest_stage_number, outcome, converted_us, closes_us, is_matured, path_number, cell_number, value
        )
    from intermediate.attempts as a
    inner join config.stages as s
        on a.journey_number = s.journey_number and a.furthest_stage_number = s.stage_number
    inner join intermediate.paths as p
        on a.journey_number = p.journey_number and a.path_number = p.path_number
    inner join intermediate.path_skips as k
        on a.journey_number = k.journey_number and a.persona = k.persona and a.path_number = k.path_number
    inner join intermediate.path_fitness as f
        on a.journey_number = f.journey_number and a.persona = f.persona
        and a.path_number = f.path_number
)
select * from joined
