-- One row per answered survey question.
-- materialized: view
select * from lake.staged_surveys
