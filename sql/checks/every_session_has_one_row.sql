-- Sessions are counted by analysts; a session in two rows would be two visits.
select session_id, count(*) as copies
from marts.sessions
group by session_id
having count(*) > 1
