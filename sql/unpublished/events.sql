-- One row per event whose row of marts.events may say another thing since the last build.
-- is_gone: the last that was heard of the event is that it counts no more
-- is_another: the row comes, goes, or says another thing of the event itself, and not only of its person and session
with spans as (
    select user_number, source_number, started_us, ended_us from changed.session_days
    union
    select m.user_number, m.source_number, m.started_us, m.ended_us
    from intermediate.session_moments as m
    inner join (select distinct session_number from changed.session_edges) as e
        on m.session_number = e.session_number
),
touched as (
    select event_number, true as is_another, false as is_gone from changed.staged_events
    union all
    select event_number, count(*) = 1 as is_another, not bool_or(is_added) as is_gone
    from changed.keyed_events
    group by event_number
    union all
    select event_number, false as is_another, false as is_gone from changed.event_money
    union all
    select k.event_number, false as is_another, false as is_gone
    from spans as s
    inner join intermediate.keyed_events as k
        on s.user_number = k.user_number and s.source_number = k.source_number
        and k.event_us between s.started_us and s.ended_us
)
select event_number, bool_or(is_another) as is_another, bool_or(is_gone) as is_gone from touched group by event_number
