-- One row per event that is left out, with the rule that says so.
with of_machines as (
    select e.event_number, e.event_us, 'too many events in a day' as rule
    from staging.events as e
    inner join intermediate.machine_days as m
        on e.device_number = m.device_number and e.event_us // 86400000000 = m.day_number
),
together as (
    select event_number, event_us, rule from intermediate.excluded_by_rule
    union all
    select m.event_number, m.event_us, m.rule
    from of_machines as m
    left join intermediate.excluded_by_rule as r on m.event_number = r.event_number
    where r.event_number is null
)
select * from together
