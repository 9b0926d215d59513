-- One row per journey: up to when its data is whole.
-- The end of the last complete landed day, the earliest over the sources whose events its stages match.
with source_ends as (
    select source, max(ends_us) as ends_us from lake.days where is_complete group by source
),
matched as (
    select distinct c.journey_number, s.source, s.sets_horizon
    from intermediate.tracking_stage_counts as c
    inner join config.journey_sources as s
        on c.journey_number = s.journey_number and c.source = s.source
    where c.events > 0
),
ended as (
    select
        m.journey_number,
        -- where no source is meant to set it, all of them do
        coalesce(min(e.ends_us) filter (where m.sets_horizon), min(e.ends_us)) as horizon_us
    from matched as m
    inner join source_ends as e on m.source = e.source
    group by m.journey_number
)
select
    j.journey_number,
    coalesce(e.horizon_us, (select max(ends_us) from source_ends), 0) as horizon_us
from config.journeys as j
left join ended as e on j.journey_number = e.journey_number
