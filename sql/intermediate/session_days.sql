-- One row per session that was cut out of a person's events and UTC day it touches: where an event finds its session.
-- By day, so that a person with thousands of sessions is compared with those of a day only.
-- renewed by: session_number of session_moments
select
    user_number, source_number, session_number, started_us, ended_us,
    unnest(generate_series(started_us // 86400000000, ended_us // 86400000000)) as day_number
from intermediate.session_moments
where not is_of_vendor
