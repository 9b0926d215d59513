-- One row per statement of a vendor that two ids are one person: Mixpanel's $merge and $create_alias.
-- docs.mixpanel.com, "Identity management: original ID merge". ($identify names a device's user; staging
-- reads it as an event of that device and that user.)
with told as (
    select
        source,
        case event_name
            when '$merge' then json_extract_string(properties::json, '$."$distinct_ids"[0]')
            else property(properties, 'distinct_id')
        end as first_id,
        case event_name
            when '$merge' then json_extract_string(properties::json, '$."$distinct_ids"[1]')
            else property(properties, 'alias')
        end as second_id
    from staging.events
    where event_name in ('$merge', '$create_alias')
),
named as (
    select distinct t.source, t.first_id, t.second_id
    from told as t
    where t.first_id <> t.second_id
        and not exists (select 1 from config.placeholder_ids as p where p.id = lower(t.first_id))
        and not exists (select 1 from config.placeholder_ids as p where p.id = lower(t.second_id))
),
numbered as (
    select
        source,
        is_device_id(first_id) as first_is_device,
        case when is_device_id(first_id) then key_of(source || '|' || replace(first_id, '$device:', ''))
            else key_of('user|' || first_id) end as first_number,
        is_device_id(second_id) as second_is_device,
        case when is_device_id(second_id) then key_of(source || '|' || replace(second_id, '$device:', ''))
            else key_of('user|' || second_id) end as second_number
    from named
)
select * from numbered
