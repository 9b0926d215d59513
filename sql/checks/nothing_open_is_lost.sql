-- An attempt that may still convert is no lost one: its window must be over.
-- renewed by: attempt_number of attempts
select a.journey, a.attempt_number, a.outcome
from intermediate.attempts as a
where (a.outcome = 'abandoned') <> (a.is_matured and a.converted_us is null)
