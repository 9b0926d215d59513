-- One row per thing that can vanish, day and what an event knows of its visitor: how many events came.
-- signal: 'source' (all it sends), 'event' (one name of it), 'stage' (what it sends of a journey's stage).
-- journey_number, stage_number and event_name are 0 and '' where they say nothing.
-- materialized: view
select
    'event' as signal, source, event_name, 0 as journey_number, 0 as stage_number, day,
    device, os, browser, country, is_new_user, events
from intermediate.tracking_event_counts
union all
select
    'source' as signal, source, '' as event_name, 0 as journey_number, 0 as stage_number, day,
    device, os, browser, country, is_new_user, events
from intermediate.tracking_event_counts
union all
select
    'stage' as signal, source, '' as event_name, journey_number, stage_number, day,
    device, os, browser, country, is_new_user, events
from intermediate.tracking_stage_counts
