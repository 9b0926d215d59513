-- One row per staged event with an order's number: what is asked of orders, and whose they are.
-- renewed by: event_number of staging.events where transaction_id is not null
-- takes over: user_number of identified_events
select
    event_number, source, event_name, is_revenue, transaction_id, event_us, event_seq, value, currency,
    user_number
from intermediate.identified_events
where transaction_id is not null
