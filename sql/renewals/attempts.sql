-- One row per attempt whose window is over since the data reaches further, or whose first event says something else.
with moved as (
    select journey_number, min(horizon_us) as from_us, max(horizon_us) as until_us
    from changed.horizons
    group by journey_number
)
select a.attempt_number
from intermediate.attempts as a
inner join moved as m
    on a.journey_number = m.journey_number and a.closes_us >= m.from_us and a.closes_us < m.until_us
union
-- what a journey asks of the first event besides device and traffic is read from the event itself
select attempt_number
from intermediate.opening_events
where event_number in (
    select event_number from changed.staged_events
    union
    select event_number from changed.event_money
    union
    select event_number from changed.keyed_events
)
union
select attempt_number
from intermediate.attempt_openings
where session_number in (
    select session_number from changed.session_edges
    union
    select session_number from changed.session_days
)
