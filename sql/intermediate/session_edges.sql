-- One row per session: which of its events is the first, whose it is, and what is said of the visitor there; the
-- first and the last page; and where the first event that tells it says that the visit came from.
-- Of events at one moment the vendor's order decides, then the digest.
-- renewed by: session_number of session_moments, session_spans
-- asks events: of persons
with points as (
    select
        m.user_number, m.source_number, s.session_number,
        s.started_us, s.landed_us, s.left_us, s.told_us,
        unnest(list_distinct([s.started_us, s.landed_us, s.left_us, s.told_us])) as event_us
    from intermediate.session_moments as m
    inner join intermediate.session_spans as s on m.session_number = s.session_number
),
marked as (
    -- one number for what is asked of the events at a point: millions of points wait in memory for their events
    select
        user_number, source_number, session_number, event_us,
        case when event_us = started_us then 1 else 0 end
        + case when event_us = landed_us then 2 else 0 end
        + case when event_us = left_us then 4 else 0 end
        + case when event_us = told_us then 8 else 0 end as asked
    from points
),
edges as (
    select
        p.session_number, p.user_number, k.profile_number, k.origin_number, k.page_number,
        p.asked % 2 = 1 as is_first,
        k.page_number is not null and (p.asked // 2) % 2 = 1 as is_landing,
        k.page_number is not null and (p.asked // 4) % 2 = 1 as is_exit,
        k.has_traffic and p.asked // 8 = 1 as is_told,
        place_of(k.event_seq, k.event_number) as place
    from marked as p
    inner join intermediate.keyed_events as k
        on p.user_number = k.user_number and p.source_number = k.source_number and p.event_us = k.event_us
        and coalesce(k.vendor_session_number, p.session_number) = p.session_number
),
chosen as (
    select
        session_number,
        min(case when is_first then place end) as first_place,
        arg_min(user_number, case when is_first then place end) as user_number,
        arg_min(profile_number, case when is_first then place end) as profile_number,
        arg_min(origin_number, case when is_first then place end) as origin_number,
        arg_min(page_number, case when is_landing then place end) as landing_page_number,
        arg_max(page_number, case when is_exit then place end) as exit_page_number,
        arg_min(origin_number, case when is_told then place end) as told_origin_number
    from edges
    group by session_number
)
select
    session_number, user_number,
    number_in(first_place) as first_event_number,
    profile_number, origin_number, told_origin_number, landing_page_number, exit_page_number
from chosen
