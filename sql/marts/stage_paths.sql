-- One row per journey and path: how many attempts took it and what came of them.
-- journey: name of the journey
-- path: stages visited, in order, joined by >
-- attempts: attempts that took it
-- converted: of these, converted
-- value: their money in the workspace's currency
-- median_seconds: median time from opening to conversion
with counted as (
    select
        journey, journey_number, path_number,
        count(*) as attempts,
        count(converted_us) as converted,
        sum(value) as value,
        median((converted_us - entered_us) / 1e6) as median_seconds
    from intermediate.attempts
    group by journey, journey_number, path_number
)
select c.journey, p.path, c.attempts, c.converted, c.value, c.median_seconds
from counted as c
inner join intermediate.paths as p on c.journey_number = p.journey_number and c.path_number = p.path_number
