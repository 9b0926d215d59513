-- One row per journey, persona, required stage and day on which attempts first reached it.
-- missed: those that were never at the required stage before it
-- adds up: arrived, missed of attempt_stages
select
    a.journey_number, a.persona, a.stage_number, q.day,
    count(*) as arrived,
    count(*) filter (where a.has_missed) as missed
from intermediate.attempt_stages as a
inner join intermediate.tracking_quarters as q on a.entered_us // 900000000 = q.quarter
group by a.journey_number, a.persona, a.stage_number, q.day
