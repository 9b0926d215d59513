-- One row per staged event that has a value or a currency: its money, refunds set off, in one currency.
-- fx_rate: what a unit of its currency is in the workspace's; NULL for a currency without a rate
-- amount: value in the workspace's currency
-- renewed by: event_number of staging.events, refund_values
with priced as (
    select
        e.event_number,
        e.event_us,
        e.is_revenue,
        case when f.event_number is null then e.value else f.value end as value,
        case when f.event_number is null then e.currency else f.currency end as currency
    from staging.events as e
    left join intermediate.refund_values as f on e.event_number = f.event_number
    where e.value is not null or e.currency is not null or f.event_number is not null
),
rated as (
    select
        p.*,
        case when p.currency is null or p.currency = s.currency then 1.0 else x.rate end as fx_rate
    from priced as p
    cross join config.settings as s
    left join config.fx as x on p.currency = x.currency
)
select event_number, event_us, is_revenue, value, currency, fx_rate, value * fx_rate as amount from rated
