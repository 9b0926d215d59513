-- One row per person of whose rows of marts.stage_visits some may say another thing since the last build.
select user_number from changed.stage_visits
union
select user_number from changed.user_attempt_visits
