-- One row per person, journey stage and second in which the person sent more than one event of the stage.
-- repeats: how many more; name, profile and time are those of the event with the least digest
-- renewed by: user_number of keyed_events, session_stage_events
with hasty as (
    -- few people send two events of stages in a second: only of those it is asked whether the stage is the same
    select user_number, source_number, event_us // 1000000 as second
    from intermediate.keyed_events
    where stage_class > 0 and user_number is not null
    group by user_number, source_number, event_us // 1000000
    having count(*) > 1
    union
    select user_number, source_number, event_us // 1000000 as second
    from intermediate.session_stage_events
),
repeated as (
    select
        e.journey_number, e.user_number, e.stage_number, e.source_number, h.second,
        arg_min(e.name_number, e.event_number) as name_number,
        arg_min(e.profile_number, e.event_number) as profile_number,
        arg_min(e.event_us, e.event_number) as event_us,
        count(*) - 1 as repeats
    from intermediate.stage_events as e
    inner join hasty as h
        on e.user_number = h.user_number and e.source_number = h.source_number
        and e.event_us // 1000000 = h.second
    group by e.journey_number, e.user_number, e.source_number, e.stage_number, h.second
    having count(*) > 1
)
select * from repeated
