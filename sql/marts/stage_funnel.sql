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
-- renewed by: entry_date of attempts
with joined as (
    select
        a.* exclude (
            journey_number, attempt_number, user_number, entered_us, furthest_stage_number,
            converted_us, closes_us, path_number
        ),
        r.advanced_us,
        r.entered_us,
        s.stage,
        s.stage_number,
        s.next_stage
    from intermediate.attempt_stages as r
    inner join intermediate.attempts as a on r.attempt_number = a.attempt_number
    inner join config.persona_stages as s
        on r.journey_number = s.journey_number and r.persona = s.persona
        and r.stage_number = s.stage_number
),
counted as (
    select
        journey, persona, entry_date,
        * exclude (
            journey, persona, entry_date, advanced_us, entered_us, outcome, is_matured, stage,
            stage_number, next_stage, value
        ),
        stage, stage_number, next_stage,
        count(*) as reached,
        count(advanced_us) as advanced,
        count(*) filter (where advanced_us is null and outcome = 'open') as still_open,
        count(*) filter (where advanced_us is null and outcome <> 'open') as lost,
        count(*) filter (where is_matured) as matured,
        count(*) filter (where is_matured and advanced_us is not null) as matured_advanced,
        count(*) filter (where is_matured and advanced_us is not null and outcome = 'converted')
            as matured_converted,
        coalesce(sum(value) filter (
            where is_matured and advanced_us is not null and outcome = 'converted'
        ), 0) as matured_value,
        median((advanced_us - entered_us) / 1e6) filter (where next_stage is not null)
            as median_seconds_to_next
    from joined
    group by all
)
select * from counted
