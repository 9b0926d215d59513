-- One row per session: when it starts and ends over all its events, and when it first told page and traffic.
-- renewed by: session_number of session_moments
select
    session_number, source_number, started_us, ended_us, event_count, landed_us, left_us, told_us
from intermediate.session_moments
where not is_of_vendor
union all
select
    session_number,
    min(source_number) as source_number,
    min(started_us) as started_us,
    max(ended_us) as ended_us,
    sum(event_count)::bigint as event_count,
    min(landed_us) as landed_us,
    max(left_us) as left_us,
    min(told_us) as told_us
from intermediate.session_moments
where is_of_vendor
group by session_number
