-- One row per event that counts, with its person, its session (the vendor's, else the one around it), and
-- its money in one currency.
-- materialized: view
select
    e.* exclude (session_number, value, currency),
    k.source_number,
    k.user_number,
    k.session_number,
    k.name_number,
    k.profile_number,
    k.origin_number,
    k.page_number,
    m.value,
    m.currency,
    case when m.event_number is null then 1.0 else m.fx_rate end as fx_rate,
    m.amount
from intermediate.keyed_sessions as k
inner join staging.events as e on k.event_number = e.event_number
left join intermediate.event_money as m on k.event_number = m.event_number
