-- One row per converted attempt: the money of its goal, each transaction once.
-- Purchases after the converting one count until the converting session ends.
-- renewed by: attempt_number of session_stages, user_attempts
with goal_events as (
    select
        o.attempt_number,
        coalesce(e.transaction_id, key_text(e.event_number)) as transaction,
        max(e.amount) as amount
    from intermediate.attempt_openings as o
    inner join intermediate.goal_events as e
        on o.journey_number = e.journey_number and o.user_number = e.user_number
        and e.event_us >= o.converted_us and e.event_us <= o.goal_session_ended_us
    where o.converts
    group by o.attempt_number, coalesce(e.transaction_id, key_text(e.event_number))
),
summed as (
    select attempt_number, sum(amount) as value from goal_events group by attempt_number
)
select * from summed
