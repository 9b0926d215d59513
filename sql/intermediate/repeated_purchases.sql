-- One row per purchase that repeats an earlier one: same transaction id, user, source and event.
-- Reloaded confirmation pages send them; refunds are not repeats.
with purchases as (
    select event_number, source, event_name, transaction_id
    from staging.events
    where is_revenue and transaction_id is not null and coalesce(value, 0) >= 0 and event_name <> 'refund'
),
suspected as (
    -- few orders are sent twice at all: only of those it is asked whose they are
    select source, event_name, transaction_id
    from purchases
    group by source, event_name, transaction_id
    having count(*) > 1
),
of_suspected as (
    select p.event_number
    from purchases as p
    inner join suspected as s
        on p.source = s.source and p.event_name = s.event_name and p.transaction_id = s.transaction_id
),
numbered as (
    select
        e.event_number,
        row_number() over (
            partition by e.user_number, e.source, e.event_name, e.transaction_id
            order by e.event_us, e.event_seq, e.event_number
        ) as purchase_number
    from of_suspected as s
    inner join intermediate.identified_events as e on s.event_number = e.event_number
    where e.user_number is not null
),
repeated as (
    select event_number from numbered where purchase_number > 1
)
select * from repeated
