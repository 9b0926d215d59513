-- One row per session in whose time some event of its person changed.
select m.session_number
from intermediate.session_moments as m
inner join changed.keyed_events as k
    on m.user_number = k.user_number and k.event_us between m.started_us and m.ended_us
