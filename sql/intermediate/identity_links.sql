-- One row per statement of a vendor that two ids are one person: Mixpanel's $merge and $create_alias.
-- docs.mixpanel.com, "Identity management: original ID merge". ($identify names a device's user; staging
-- reads it as an event of that device and that user.)
-- An id is a user's where it was seen as one, whatever it looks like: many shops' user ids are UUIDs.
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
paired as (
    select distinct source, first_id, second_id
    from told
    where real_id(replace(first_id, '$device:', '')) is not null
        and real_id(replace(second_id, '$device:', '')) is not null
        and first_id <> second_id
),
known as (
    select
        p.*,
        f.user_id is null and is_device_id(p.first_id) as first_is_device,
        s.user_id is null and is_device_id(p.second_id) as second_is_device
    from paired as p
    left join intermediate.named_users as f on p.first_id = f.user_id
    left join intermediate.named_users as s on p.second_id = s.user_id
    -- a kiosk's id would make one person of all who stood there; an id of merges only is judged by their size
    where coalesce(f.is_accepted, true) and coalesce(s.is_accepted, true)
),
ends as (
    select source, first_id as id, first_is_device as is_device from known
    union
    select source, second_id as id, second_is_device as is_device from known
),
numbers as (
    select
        source, id, is_device,
        key_of(source || '|' || real_id(replace(id, '$device:', ''))) as device_number,
        key_of('user|' || id) as own_number
    from ends
),
linked as (
    select
        k.source,
        k.first_is_device,
        case when f.is_device then f.device_number else f.own_number end as first_number,
        k.second_is_device,
        case when s.is_device then s.device_number else s.own_number end as second_number
    from known as k
    inner join numbers as f on k.source = f.source and k.first_id = f.id
    inner join numbers as s on k.source = s.source and k.second_id = s.id
    union all
    -- old libraries send a user id that is a UUID as nothing but a distinct id, which staging takes for a device's
    select source, true, device_number, false, own_number
    from numbers
    where not is_device and is_device_id(id)
)
select * from linked
where first_number <> second_number
