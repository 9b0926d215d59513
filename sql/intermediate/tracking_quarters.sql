-- One row per quarter of an hour in which anything happened: its day in the workspace's time zone.
-- The zone is asked once a quarter, the least by which zones differ, not once an event.
-- grows: quarter
with happened as (
    select distinct event_us // 900000000 as quarter from staging.events
)
select h.quarter, local_day(h.quarter * 900000000, s.timezone) as day
from happened as h
cross join config.settings as s
