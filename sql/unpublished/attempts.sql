-- One row per attempt whose row of marts.attempts may say another thing since the last build.
select distinct attempt_number from changed.attempts
