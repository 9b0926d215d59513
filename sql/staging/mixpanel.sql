-- One row per Mixpanel event of one landed day, duplicates folded into `copies`.
-- Run once per landed version of a day; the result is kept as Parquet.
with picked as (
    select
        d.*,
        e.event as event_name,
        e.properties::varchar as properties,
        json_extract_string(e.properties, [
            '$.time', '$.distinct_id', '$."$insert_id"', '$."$device_id"', '$."$user_id"',
            '$."$current_url"', '$.current_url', '$.page', '$.device', '$."$device"', '$."$os"',
            '$."$browser"', '$.mp_country_code', '$.utm_source', '$.utm_medium', '$.utm_campaign',
            '$.value', '$.revenue', '$.amount', '$.currency', '$.transaction_id', '$.order_id',
            '$.is_new_user', '$."$anon_id"', '$."$identified_id"'
        ]) as p
    from raw.mixpanel_events as e
    cross join raw.context as d
),
named as (
    select
        source,
        timezone,
        revenue_events,
        event_name,
        properties,
        p[1]::double as time_number,
        p[2] as distinct_id,
        p[3] as insert_id,
        nullif(trim(p[4]), '') as given_device_id,
        nullif(trim(p[5]), '') as given_user_id,
        coalesce(p[6], p[7], p[8]) as url,
        lower(p[9]) as given_device,
        p[10] as device_model,
        p[11] as os,
        p[12] as browser,
        p[13] as country,
        p[14] as source_name,
        p[15] as medium,
        p[16] as campaign,
        money_of(coalesce(p[17], p[18], p[19])) as value,
        p[20] as currency,
        coalesce(p[21], p[22]) as raw_transaction_id,
        p[23] = 'true' as is_new_user,
        -- $identify of the original identity merge: whose the anonymous id is from now on
        nullif(trim(p[24]), '') as anon_id,
        nullif(trim(p[25]), '') as identified_id
    from picked
),
timed as (
    select
        *,
        -- seconds, or milliseconds with time_in_ms
        round(time_number * (case when time_number > 1e11 then 1e3 else 1e6 end))::bigint as wall_us
    from named
),
identified as (
    select
        *,
        -- in projects made before 2023 `time` is the project's wall clock written as if it were UTC
        utc_of_wall(wall_us, timezone) as event_us,
        coalesce(
            real_id(replace(given_device_id, '$device:', '')),
            real_id(replace(anon_id, '$device:', '')),
            real_id(replace(distinct_id, '$device:', ''))
        ) as device_id,
        coalesce(
            given_user_id,
            identified_id,
            -- a distinct id that is neither a device's nor a generated one names a person
            case when not is_device_id(distinct_id) and distinct_id <> coalesce(given_device_id, '')
                then distinct_id end
        ) as user_id,
        key_of(concat_ws(
            '|', source, event_name, coalesce(distinct_id, ''), time_number::varchar,
            -- a line without $insert_id is known by its whole content
            coalesce(insert_id, md5(properties))
        )) as event_number
    from timed
),
numbered as (
    select
        *,
        count(*) over (partition by event_number) as copies,
        row_number() over (partition by event_number order by properties) as copy_number
    from identified
),
deduplicated as (
    select * from numbered where copy_number = 1
),
shaped as (
    select
        source,
        event_number,
        key_of(source || '|' || device_id) as device_number,
        device_id,
        user_id,
        event_us,
        0 as event_seq,
        event_name,
        case when url like '/%' then regexp_extract(url, '^[^?#]*')
            when url is not null then coalesce(nullif(regexp_extract(
                url, '^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//[^/?#]*([^?#]*)', 1), ''), '/')
        end as page,
        -- Mixpanel's own sessions break at midnight, so inactivity decides
        null::bigint as session_number,
        null::varchar as vendor_session_id,
        case
            when given_device is not null then given_device
            when device_model ilike '%ipad%' or device_model ilike '%tablet%' then 'tablet'
            when os in ('iOS', 'Android', 'Windows Phone', 'BlackBerry') then 'mobile'
            when os is not null then 'desktop'
        end as device,
        os,
        browser,
        country,
        source_name,
        medium,
        campaign,
        null::varchar as given_channel,
        null::varchar as first_source_name,
        null::varchar as first_medium,
        null::varchar as first_campaign,
        is_new_user,
        value,
        currency,
        case when trim(raw_transaction_id) not in ('', '(not set)', 'null', 'undefined')
            then trim(raw_transaction_id) end as transaction_id,
        list_contains(revenue_events, event_name) as is_revenue,
        null::varchar as traffic_type,
        properties,
        copies::integer as copies
    from deduplicated
)
select * from shaped
