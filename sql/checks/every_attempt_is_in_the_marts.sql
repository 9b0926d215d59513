-- Joins that lose an attempt (a persona without stages, a path without fitness) would bend every rate.
select a.journey, a.attempt_number
from intermediate.attempts as a
left join marts.attempts as m on key_text(a.attempt_number) = m.attempt_id
where m.attempt_id is null
union all
select m.journey, count(*)
from marts.attempts as m
group by m.journey, m.attempt_id
having count(*) > 1
