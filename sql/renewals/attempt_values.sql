-- One row per attempt of a person who bought, or whose purchase changed.
select attempt_number
from intermediate.attempt_openings
where user_number in (select user_number from changed.goal_events)
