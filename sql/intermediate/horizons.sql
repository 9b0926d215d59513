-- One row per journey: up to when its data is whole.
-- The end of the last complete landed day, the earliest over the sources whose events its stages match.
with source_ends as (
    select source, max(ends_us) as ends_us from lake.days group by source
),
matched as (
    select s.journey_number, e.source, e.ends_us
    from config.journey_sources as s
    inner join source_ends as e on s.source = e.source
    where s.sets_horizon
),
shared as (
    select journey_number, min(ends_us) as horizon_us from matched group by journey_number
)
select
    j.journey_number,
    -- without a landed day nothing is known to be over
    coalesce(s.horizon_us, 0) as horizon_us
from config.journeys as j
left join shared as s on j.journey_number = s.journey_number
