-- One row per event that counts, with its person and its session.
-- The vendor's session where there is one, else a gap longer than the inactivity starts a new one.
with people as (
    select e.event_number, e.source, e.event_us, e.event_seq, e.session_number, k.user_number
    from staging.events as e
    inner join intermediate.event_users as k on e.event_number = k.event_number
    left join intermediate.repeated_purchases as r on e.event_number = r.event_number
    left join intermediate.excluded_events as x on e.event_number = x.event_number
    where r.event_number is null and x.event_number is null
),
gaps as (
    select
        *,
        lag(event_us) over (
            partition by source, user_number order by event_us, event_seq, event_number
        ) as previous_us
    from people
    where session_number is null and user_number is not null
),
starts as (
    select
        g.*,
        case when g.previous_us is null or g.event_us - g.previous_us > s.inactivity_us
            then g.event_us end as start_us
    from gaps as g
    cross join config.settings as s
),
runs as (
    select
        *,
        max(start_us) over (
            partition by source, user_number order by event_us, event_seq, event_number
            rows between unbounded preceding and current row
        ) as session_start_us
    from starts
),
keyed as (
    select event_number, user_number, session_number from people
    where session_number is not null or user_number is null
    union all
    select
        event_number, user_number,
        key_of(concat_ws('|', source, user_number, session_start_us)) as session_number
    from runs
)
select * from keyed
