-- One row per refund of a GA4 order: what it takes off revenue, and in which currency.
-- Other sources send refunds as negative values, and mean each of them; they are left as sent.
-- event_number: the refund
-- value: negative; NULL where it repeats an earlier refund, where nothing is left, or nobody knows what was paid
-- currency: the refund's own, else that of the order
-- renewed by: transaction_id of order_events, repeated_purchases
with uncounted as (
    select event_number from intermediate.repeated_purchases
    union
    select event_number from intermediate.excluded_events
),
orders as (
    select o.*
    from intermediate.order_events as o
    left join uncounted as u on o.event_number = u.event_number
    where u.event_number is null
),
refunds as (
    select o.*
    from orders as o
    inner join config.sources as s on o.source = s.source
    where s.kind = 'ga4' and o.event_name = 'refund'
),
purchases as (
    select * from orders where is_revenue and event_name <> 'refund' and value > 0
),
found as (
    select
        r.event_number, r.source, r.transaction_id, r.event_us, r.event_seq, r.value,
        coalesce(case when r.value is not null then r.currency end, p.currency) as currency,
        p.value as paid,
        p.currency as paid_currency,
        p.event_number as purchase_number,
        -- a shop's server may send the refund as nobody; ids that two people share are told apart by person
        row_number() over (
            partition by r.event_number
            order by
                case when p.user_number = r.user_number then 0 else 1 end,
                p.event_us, p.event_seq, p.event_number
        ) as place
    from refunds as r
    left join purchases as p on r.source = p.source and r.transaction_id = p.transaction_id
),
priced as (
    select
        f.event_number, f.source, f.transaction_id, f.event_us, f.event_seq, f.currency, f.purchase_number,
        -- what carries no currency is in the workspace's
        coalesce(f.currency, s.currency) as money,
        -- a full refund may carry the order number only
        -- (developers.google.com/analytics/devguides/collection/ga4/reference/events#refund)
        f.value is null as is_rest,
        coalesce(f.value, -f.paid) as value,
        case when coalesce(f.currency, s.currency) = coalesce(f.paid_currency, s.currency)
            then f.paid end as paid
    from found as f
    cross join config.settings as s
    where f.place = 1
),
spaced as (
    select
        *,
        lag(event_us) over (
            partition by source, transaction_id, value, money order by event_us, event_seq, event_number
        ) as previous_us
    from priced
),
reloads as (
    -- the same amount of the same order again, without a pause: a page loaded or a message sent twice
    select p.*, coalesce(p.event_us - p.previous_us <= s.inactivity_us, false) as is_reload
    from spaced as p
    cross join config.settings as s
),
totalled as (
    select
        *,
        row_number() over (
            partition by source, transaction_id, purchase_number, value, money, is_reload
            order by event_us, event_seq, event_number
        ) as copy_number,
        sum(case when is_reload then 0 else value end) over (
            partition by source, transaction_id, purchase_number, money
            order by event_us, event_seq, event_number
            rows between unbounded preceding and current row
        ) as refunded
    from reloads
),
parts as (
    select
        *,
        case
            when is_reload or is_rest then null
            -- later too, where it would give back more than was paid; two equal parts of an order are two.
            -- A first refund of more than was paid stays as sent. Half a cent is for sums of fractions
            when copy_number > 1 and -refunded > paid + 0.005 then null
            else value
        end as part
    from totalled
),
rests as (
    select
        *,
        paid + coalesce(sum(part) over earlier, 0) as left_over,
        coalesce(sum(case when is_rest and not is_reload then 1 else 0 end) over earlier, 0) as rests_before
    from parts
    window earlier as (
        partition by source, transaction_id, purchase_number, money
        order by event_us, event_seq, event_number
        rows between unbounded preceding and 1 preceding
    )
),
counted as (
    select
        event_number, event_us, transaction_id,
        case
            when not is_rest then part
            -- after parts of it, what is left; the order is given back in full once
            when not is_reload and rests_before = 0 and left_over > 0.005 then -left_over
        end as value,
        currency
    from rests
)
select * from counted
