-- One row per Hotjar recording.
-- materialized: view
select * from lake.staged_recordings
