-- One row per event of a `table` source and landed day, equal rows folded into `copies`.
-- Run once per landed version of a day; the result is kept as Parquet.
with picked as (
    select
        d.source,
        d.revenue_events,
        r.at as event_us,
        coalesce(nullif(r.row[c.event_name], ''), k.event_name) as event_name,
        -- an empty cell is no value
        real_id(coalesce(nullif(trim(r.row[c.device_id]), ''), k.device_id)) as device_id,
        coalesce(nullif(trim(r.row[c.user_id]), ''), k.user_id) as user_id,
        coalesce(nullif(trim(r.row[c.page]), ''), k.page) as page_text,
        coalesce(nullif(trim(r.row[c.vendor_session_id]), ''), k.vendor_session_id) as vendor_session_id,
        coalesce(nullif(trim(r.row[c.device]), ''), k.device) as device,
        coalesce(nullif(trim(r.row[c.os]), ''), k.os) as os,
        coalesce(nullif(trim(r.row[c.browser]), ''), k.browser) as browser,
        coalesce(nullif(trim(r.row[c.country]), ''), k.country) as country,
        coalesce(nullif(trim(r.row[c.channel]), ''), k.channel) as channel,
        coalesce(nullif(trim(r.row[c.source_name]), ''), k.source_name) as source_name,
        coalesce(nullif(trim(r.row[c.medium]), ''), k.medium) as medium,
        coalesce(nullif(trim(r.row[c.campaign]), ''), k.campaign) as campaign,
        try_cast(coalesce(nullif(trim(r.row[c.is_new_user]), ''), k.is_new_user) as boolean) as is_new_user,
        money_of(coalesce(nullif(trim(r.row[c.value]), ''), k.value)) as value,
        coalesce(nullif(trim(r.row[c.currency]), ''), k.currency) as currency,
        coalesce(nullif(trim(r.row[c.transaction_id]), ''), k.transaction_id) as raw_transaction_id,
        -- the row as received, without the cells that were worked out beside it
        to_json(map_from_entries(list_filter(
            map_entries(r.row), lambda e: not starts_with(e.key, 'mapped:')
        )))::varchar as properties
    from raw.table_rows as r
    cross join raw.context as d
    cross join raw.columns as c
    cross join raw.constants as k
),
identified as (
    select *, key_of(concat_ws('|', source, event_us, properties)) as event_number from picked
),
numbered as (
    select
        *,
        count(*) over (partition by event_number) as copies,
        row_number() over (partition by event_number order by event_us) as copy_number
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
        case when page_text like '%//%' then coalesce(nullif(regexp_extract(
            page_text, '^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//[^/?#]*([^?#]*)', 1), ''), '/')
        else regexp_extract(page_text, '^[^?#]*') end as page,
        case when vendor_session_id is not null
            then key_of(concat_ws('|', source, coalesce(device_id, user_id), vendor_session_id))
        end as session_number,
        vendor_session_id,
        device,
        os,
        browser,
        country,
        source_name,
        medium,
        campaign,
        channel as given_channel,
        null::varchar as first_source_name,
        null::varchar as first_medium,
        null::varchar as first_campaign,
        is_new_user,
        value,
        currency,
        case when trim(raw_transaction_id) not in ('', '(not set)', 'null', 'undefined')
            then trim(raw_transaction_id) end as transaction_id,
        list_contains(revenue_events, event_name) or (
            trim(raw_transaction_id) not in ('(not set)', 'null', 'undefined') and value is not null
        ) is not distinct from true as is_revenue,
        null::varchar as traffic_type,
        properties,
        copies::integer as copies
    from deduplicated
)
select * from shaped
