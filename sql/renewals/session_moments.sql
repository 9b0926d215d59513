-- One row per person, source and vendor's session of which events changed: from when on its sessions may differ.
-- A session of the vendor's may wholly. Of those cut by gaps, the ones that ended too long before are as they were.
with touched as (
    select user_number, source_number, vendor_session_number, min(event_us) as first_us
    from changed.keyed_events
    where user_number is not null
    group by user_number, source_number, vendor_session_number
)
select
    t.user_number, t.source_number, t.vendor_session_number,
    least(t.first_us, coalesce(min(m.started_us), t.first_us)) as since_us
from touched as t
cross join config.settings as c
left join intermediate.session_moments as m
    on t.user_number = m.user_number and t.source_number = m.source_number
    and t.vendor_session_number is not distinct from m.vendor_session_number
    and (t.vendor_session_number is not null or m.ended_us >= t.first_us - c.inactivity_us)
group by t.user_number, t.source_number, t.vendor_session_number, t.first_us
