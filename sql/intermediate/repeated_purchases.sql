-- One row per purchase that repeats an earlier one: same transaction id, user, source and event.
-- Reloaded confirmation pages send them; refunds are not repeats.
-- renewed by: transaction_id of order_events
with purchases as (
    select *
    from intermediate.order_events
    where is_revenue and coalesce(value, 0) >= 0 and event_name <> 'refund' and user_number is not null
),
numbered as (
    select
        event_number, event_us, transaction_id,
        row_number() over (
            partition by user_number, source, event_name, transaction_id
            order by event_us, event_seq, event_number
        ) as purchase_number
    from purchases
),
repeated as (
    select event_number, event_us, transaction_id from numbered where purchase_number > 1
)
select * from repeated
