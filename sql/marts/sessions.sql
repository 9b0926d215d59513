-- One row per session: the vendor's where it has one, else a run of events without a long gap.
-- session_id: digest of the session
-- user_key: the person of its first event
-- source: name of the source in painpoints.toml
-- session_date: day of its first event in the workspace's time zone
-- started_at: first event, UTC
-- ended_at: last event, UTC
-- event_count: events in it
-- device: device of its first event
-- os: operating system of its first event
-- browser: browser of its first event
-- country: country of its first event
-- channel: channel of its first event
-- is_new_user: whether its first event was of a new user
-- landing_page: first page seen
-- exit_page: last page seen
-- value: revenue of the session in the workspace's currency, refunds taken off; NULL without any
with spans as (
    select
        session_number,
        min(event_us) as started_us,
        max(event_us) as ended_us,
        min(event_us) filter (where has_page) as landed_us,
        max(event_us) filter (where has_page) as left_us,
        count(*) as event_count
    from intermediate.keyed_events
    where session_number is not null
    group by session_number
),
edges as (
    -- of the few events at the edges of a session: the first, and the first and last with a page
    select
        k.session_number,
        arg_min(k.event_number, (k.event_seq, k.event_number)) filter (where k.event_us = s.started_us)
            as first_event_number,
        arg_min(k.event_number, (k.event_seq, k.event_number))
            filter (where k.has_page and k.event_us = s.landed_us) as landing_event_number,
        arg_max(k.event_number, (k.event_seq, k.event_number))
            filter (where k.has_page and k.event_us = s.left_us) as exit_event_number
    from intermediate.keyed_events as k
    inner join spans as s on k.session_number = s.session_number
    where k.event_us = s.started_us or (k.has_page and (k.event_us = s.landed_us or k.event_us = s.left_us))
    group by k.session_number
),
money as (
    select session_number, sum(amount) as value
    from intermediate.valued_events
    where is_revenue and session_number is not null
    group by session_number
),
described as (
    select
        key_text(s.session_number) as session_id,
        key_text(e.user_number) as user_key,
        e.source,
        local_day(s.started_us, c.timezone) as session_date,
        moment(s.started_us) as started_at,
        moment(s.ended_us) as ended_at,
        s.event_count,
        e.device,
        e.os,
        e.browser,
        e.country,
        e.channel,
        e.is_new_user,
        l.page as landing_page,
        x.page as exit_page,
        m.value
    from spans as s
    inner join edges as d on s.session_number = d.session_number
    inner join intermediate.events as e on d.first_event_number = e.event_number
    cross join config.settings as c
    left join staging.events as l on d.landing_event_number = l.event_number
    left join staging.events as x on d.exit_event_number = x.event_number
    left join money as m on s.session_number = m.session_number
)
select * from described
