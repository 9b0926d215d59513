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
with summed as (
    select
        session_number,
        arg_min(event_number, (event_us, event_seq, event_number)) as first_event_number,
        min(event_us) as started_us,
        max(event_us) as ended_us,
        count(*) as event_count,
        arg_min(page, (event_us, event_seq, event_number)) filter (where page is not null)
            as landing_page,
        arg_max(page, (event_us, event_seq, event_number)) filter (where page is not null)
            as exit_page,
        sum(amount) filter (where is_revenue) as value
    from intermediate.events
    where session_number is not null
    group by session_number
),
described as (
    select
        key_text(e.session_number) as session_id,
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
        s.landing_page,
        s.exit_page,
        s.value
    from summed as s
    inner join intermediate.events as e on s.first_event_number = e.event_number
    cross join config.settings as c
)
select * from described
