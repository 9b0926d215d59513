-- One row per purchase that repeats an earlier one: same transaction id, user, source and event.
-- Reloaded confirmation pages send them; refunds are not repeats.
with purchases as (
    select e.event_number, e.user_number, e.source, e.event_name, e.transaction_id, e.event_us, e.event_seq
    from intermediate.identified_events as e
    where e.is_revenue and e.transaction_id is not null and coalesce(e.value, 0) >= 0
        and e.event_name <> 'refund'
),
numbered as (
    select
        *,
        row_number() over (
            partition by user_number, source, event_name, transaction_id
            order by event_us, event_seq, event_number
        ) as purchase_number
    from purchases
    where user_number is not null
),
repeated as (
    select event_number from numbered where purchase_number > 1
)
select * from repeated
