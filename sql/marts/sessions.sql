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
-- materialized: view
with money as (
    select k.session_number, sum(m.amount) as value
    from intermediate.event_money as m
    inner join intermediate.keyed_sessions as k on m.event_number = k.event_number
    where m.is_revenue
    group by k.session_number
),
described as (
    select
        key_text(s.session_number) as session_id,
        key_text(d.user_number) as user_key,
        c.source,
        local_day_at(s.started_us, u.offset_us, z.timezone) as session_date,
        moment(s.started_us) as started_at,
        moment(s.ended_us) as ended_at,
        s.event_count,
        v.device,
        v.os,
        v.browser,
        v.country,
        o.channel,
        v.is_new_user,
        l.page as landing_page,
        x.page as exit_page,
        m.value
    from intermediate.session_spans as s
    inner join config.sources as c on s.source_number = c.source_number
    cross join config.settings as z
    inner join intermediate.session_edges as d on s.session_number = d.session_number
    inner join intermediate.profiles as v on d.profile_number = v.profile_number
    inner join intermediate.edge_origins as o
        on d.origin_number = o.origin_number and d.told_origin_number is not distinct from o.told_origin_number
    left join intermediate.pages as l on d.landing_page_number = l.page_number
    left join intermediate.pages as x on d.exit_page_number = x.page_number
    left join intermediate.day_offsets as u on s.started_us // 86400000000 = u.utc_day
    left join money as m on s.session_number = m.session_number
)
select * from described
