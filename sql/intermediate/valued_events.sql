-- One row per event that counts, with its person, its session (the vendor's, else the one around it), and
-- its money in one currency.
-- materialized: view
select
    e.* exclude (session_number, value, currency),
    k.source_number,
    k.user_number,
    coalesce(k.vendor_session_number, d.session_number) as session_number,
    m.value,
    m.currency,
    case when m.event_number is null then 1.0 else m.fx_rate end as fx_rate,
    m.amount
from intermediate.keyed_events as k
inner join staging.events as e on k.event_number = e.event_number
left join intermediate.session_days as d
    on k.user_number = d.user_number and k.source_number = d.source_number
    and k.event_us // 86400000000 = d.day_number
    and k.event_us between d.started_us and d.ended_us
left join intermediate.event_money as m on k.event_number = m.event_number
