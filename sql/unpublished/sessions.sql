-- One row per session whose row of marts.sessions may say another thing since the last build.
select session_number from changed.session_spans
union
select session_number from changed.session_edges
union
select m.session_number
from changed.event_money as x
inner join intermediate.keyed_events as k on x.event_number = k.event_number
inner join intermediate.session_moments as m
    on k.user_number = m.user_number and k.event_us between m.started_us and m.ended_us
