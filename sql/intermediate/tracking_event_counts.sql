-- One row per source, event name, day and what an event knows of its visitor: how many came.
-- All events as staged: what is excluded, or names nobody, is recorded all the same. orders: those of revenue
-- adds up: events, orders of staging.events
select
    e.source, e.event_name, q.day, e.device, e.os, e.browser, e.country, e.is_new_user,
    count(*) as events,
    count(*) filter (where e.is_revenue and coalesce(e.value, 0) >= 0) as orders
from staging.events as e
inner join intermediate.tracking_quarters as q on e.event_us // 900000000 = q.quarter
group by e.source, e.event_name, q.day, e.device, e.os, e.browser, e.country, e.is_new_user
