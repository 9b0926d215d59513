-- One row per attempt whose window is over, or is not any more, since the data reaches elsewhere.
with moved as (
    select journey_number, min(horizon_us) as from_us, max(horizon_us) as until_us
    from changed.horizons
    group by journey_number
)
select a.attempt_number
from intermediate.attempts as a
inner join moved as m
    on a.journey_number = m.journey_number and a.closes_us >= m.from_us and a.closes_us < m.until_us
