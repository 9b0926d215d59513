-- One row per session that says where it came from: the first of its events that does.
select s.session_number, e.given_channel, e.source_name, e.medium, e.campaign
from intermediate.session_edges as s
inner join staging.events as e on s.told_event_number = e.event_number
