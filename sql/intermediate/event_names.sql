-- One row per event name.
-- grows: name_number
with seen as (
    select distinct event_name from staging.events
)
select (row_number() over (order by event_name))::integer as name_number, event_name from seen
