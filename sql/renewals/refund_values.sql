-- One row per order of which an event is left out now, or not any more.
select transaction_id
from intermediate.order_events
where event_number in (select event_number from changed.excluded_events)
