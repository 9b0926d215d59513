-- One row per event that counts: its person, its session, and the little that is asked of all events.
-- The vendor's session where there is one, else a gap longer than the inactivity starts a new one.
-- Narrow on purpose: this is the one table with a row per event; what else is known of an event stays in
-- staging.events, for the few that are asked for more.
with people as (
    select
        e.event_number, c.source_number, e.event_us, e.event_seq, e.session_number, e.user_number,
        e.page is not null as has_page,
        e.medium is not null or e.source_name is not null or e.given_channel is not null as has_traffic,
        e.is_revenue
    from intermediate.identified_events as e
    inner join config.sources as c on e.source = c.source
    left join intermediate.repeated_purchases as r on e.event_number = r.event_number
    left join intermediate.excluded_events as x on e.event_number = x.event_number
    where r.event_number is null and x.event_number is null
),
gaps as (
    -- only the time matters: events of one moment are never apart
    select
        *,
        lag(event_us) over (partition by user_number, source_number order by event_us) as previous_us
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
            partition by user_number, source_number order by event_us
            -- by value, so that all events of the moment that starts a session are in it
            range between unbounded preceding and current row
        ) as session_start_us
    from starts
),
named as (
    -- a key is made once a session, not once an event
    select
        b.user_number, b.source_number, b.start_us,
        key_of(concat_ws('|', c.source, b.user_number, b.start_us)) as session_number
    from (select distinct user_number, source_number, start_us from starts where start_us is not null) as b
    inner join config.sources as c on b.source_number = c.source_number
),
keyed as (
    select
        event_number, source_number, user_number, session_number, event_us, event_seq, has_page,
        has_traffic, is_revenue
    from people
    where session_number is not null or user_number is null
    union all
    select
        r.event_number, r.source_number, r.user_number, n.session_number, r.event_us, r.event_seq,
        r.has_page, r.has_traffic, r.is_revenue
    from runs as r
    inner join named as n
        on r.user_number = n.user_number and r.source_number = n.source_number
        and r.session_start_us = n.start_us
)
select * from keyed
