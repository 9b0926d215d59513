-- One row per session: which of its events is the first, the first and the last with a page, and the first
-- that says where the visit came from; and whose the first is. Of events at one moment the vendor's order decides, then the digest.
with points as (
    select
        m.user_number, m.source_number, s.session_number,
        s.started_us, s.landed_us, s.left_us, s.told_us,
        unnest(list_distinct([s.started_us, s.landed_us, s.left_us, s.told_us])) as event_us
    from intermediate.session_moments as m
    inner join intermediate.session_spans as s on m.session_number = s.session_number
),
edges as (
    select
        p.session_number,
        p.user_number,
        k.event_us = p.started_us as is_first,
        k.has_page and k.event_us = p.landed_us as is_landing,
        k.has_page and k.event_us = p.left_us as is_exit,
        k.has_traffic and k.event_us = p.told_us as is_told,
        place_of(k.event_seq, k.event_number) as place
    from points as p
    inner join intermediate.keyed_events as k
        on p.user_number = k.user_number and p.source_number = k.source_number and p.event_us = k.event_us
        and coalesce(k.vendor_session_number, p.session_number) = p.session_number
),
chosen as (
    select
        session_number,
        arg_min(user_number, case when is_first then place end) as user_number,
        min(case when is_first then place end) as first_place,
        min(case when is_landing then place end) as landing_place,
        max(case when is_exit then place end) as exit_place,
        min(case when is_told then place end) as told_place
    from edges
    group by session_number
)
select
    session_number,
    user_number,
    number_in(first_place) as first_event_number,
    number_in(landing_place) as landing_event_number,
    number_in(exit_place) as exit_event_number,
    number_in(told_place) as told_event_number
from chosen
