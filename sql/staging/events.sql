-- One row per event of any source, as staged day by day.
-- materialized: view
select * from lake.staged_events
