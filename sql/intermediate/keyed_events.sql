-- One row per event that counts: its person, the vendor's session, its stages, and the little else that is
-- asked of all events. Narrow on purpose: this is the one table with a row per event; what else is known
-- of an event stays in staging.events, for the few that are asked for more.
-- stage_class: the event's stage in every journey as one number, 0 where it has none (config.journeys takes it apart)
select
    e.event_number,
    c.source_number,
    e.user_number,
    e.session_number as vendor_session_number,
    e.event_us,
    e.event_seq,
    e.stage_class,
    e.page is not null as has_page,
    e.medium is not null or e.source_name is not null or e.given_channel is not null as has_traffic,
    e.is_revenue
from intermediate.classified_events as e
inner join config.sources as c on e.source = c.source
left join intermediate.repeated_purchases as r on e.event_number = r.event_number
left join intermediate.excluded_events as x on e.event_number = x.event_number
where r.event_number is null and x.event_number is null
