-- One row per journey and path: how many attempts took it and what came of them.
-- journey: name of the journey
-- path: stages visited, in order, joined by >
-- attempts: attempts that took it
-- converted: of these, converted
-- value: their money in the workspace's currency
-- median_seconds: median time from opening to conversion
select
    journey,
    path,
    count(*) as attempts,
    count(converted_us) as converted,
    sum(value) as value,
    median((converted_us - entered_us) / 1e6) as median_seconds
from intermediate.attempts
group by journey, path
