-- One row per event that counts, with its person, its session (the vendor's, else the one around it), and
-- its money in one currency.
-- materialized: view
select
    e.* exclude (session_number, value, currency),
    k.source_number,
    k.user_number,
    coalesce(k.vendor_session_number, d.session_number) as session_number,
    case when f.event_number is null then e.value else f.value end as value,
    case when f.event_number is null then e.currency else f.currency end as currency,
    case
        when coalesce(f.currency, e.currency) is null or coalesce(f.currency, e.currency) = s.currency then 1.0
        else x.rate
    end as fx_rate,
    (case when f.event_number is null then e.value else f.value end) * (case
        when coalesce(f.currency, e.currency) is null or coalesce(f.currency, e.currency) = s.currency then 1.0
        else x.rate
    end) as amount
from intermediate.keyed_events as k
inner join staging.events as e on k.event_number = e.event_number
cross join config.settings as s
left join intermediate.session_days as d
    on k.user_number = d.user_number and k.source_number = d.source_number
    and k.event_us // 86400000000 = d.day_number
    and k.event_us between d.started_us and d.ended_us
left join intermediate.refund_values as f on k.event_number = f.event_number
left join config.fx as x on coalesce(f.currency, e.currency) = x.currency
