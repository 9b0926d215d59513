-- Joins that lose an attempt (a persona without stages, a path without fitness) would bend every rate.
-- renewed by: attempt_number of attempts
select a.journey, a.attempt_number, count(*) as copies, count(k.skips) as paths
from intermediate.attempts as a
left join intermediate.path_skips as k
    on a.journey_number = k.journey_number and a.persona = k.persona and a.path_number = k.path_number
left join intermediate.path_fitness as f
    on a.journey_number = f.journey_number and a.persona = f.persona and a.path_number = f.path_number
group by a.journey, a.attempt_number
having count(*) > 1 or count(k.skips) <> 1 or count(f.fitness) <> 1
