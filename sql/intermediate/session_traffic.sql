-- One row per session that says where it came from: the first of its events that does.
with told as (
    select session_number, min(event_us) as first_us
    from intermediate.keyed_events
    where has_traffic and session_number is not null
    group by session_number
),
first_told as (
    select k.session_number, arg_min(k.event_number, (k.event_seq, k.event_number)) as event_number
    from intermediate.keyed_events as k
    inner join told as t on k.session_number = t.session_number and k.event_us = t.first_us
    where k.has_traffic
    group by k.session_number
)
select f.session_number, e.given_channel, e.source_name, e.medium, e.campaign
from first_told as f
inner join staging.events as e on f.event_number = e.event_number
