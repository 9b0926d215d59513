-- One row per GA4 event of one landed day, exact duplicates folded into `copies`.
-- Run once per landed version of a day; the result is kept as Parquet.
with picked as (
    select
        d.source,
        e.user_pseudo_id as given_device_id,
        real_id(e.user_pseudo_id) as device_id,
        nullif(trim(e.user_id), '') as user_id,
        e.event_timestamp as event_us,
        e.event_name,
        e.event_params,
        list_filter(e.event_params, lambda p: p.key = 'page_location')[1].value.string_value
            as page_location,
        list_filter(e.event_params, lambda p: p.key = 'ga_session_id')[1].value.int_value
            as ga_session_id,
        list_filter(e.event_params, lambda p: p.key = 'ga_session_number')[1].value.int_value
            as ga_session_number,
        list_filter(e.event_params, lambda p: p.key = 'value')[1].value as value_param,
        list_filter(e.event_params, lambda p: p.key = 'currency')[1].value.string_value
            as currency_param,
        list_filter(e.event_params, lambda p: p.key = 'transaction_id')[1].value.string_value
            as transaction_param,
        list_filter(e.event_params, lambda p: p.key = 'source')[1].value.string_value
            as source_param,
        list_filter(e.event_params, lambda p: p.key = 'medium')[1].value.string_value
            as medium_param,
        list_filter(e.event_params, lambda p: p.key = 'campaign')[1].value.string_value
            as campaign_param,
        list_filter(e.event_params, lambda p: p.key = 'traffic_type')[1].value.string_value
            as traffic_type,
        e.device,
        e.geo,
        e.platform,
        e.ecommerce,
        e.items,
        e.traffic_source,
        e.user_first_touch_timestamp,
        e.collected_traffic_source as collected,
        e.session_traffic_source_last_click.cross_channel_campaign as cross_channel,
        e.session_traffic_source_last_click.manual_campaign as manual,
        e.event_bundle_sequence_id,
        e.stream_id,
        e.batch_page_id,
        e.batch_ordering_id,
        e.batch_event_index
    from raw.ga4_events as e
    cross join raw.context as d
    -- a row without a time or a name is no event
    where e.event_timestamp is not null and e.event_name is not null
),
described as (
    select
        *,
        '{' || array_to_string(list_transform(event_params, lambda p:
            to_json(p.key)::varchar || ':' || coalesce(
                to_json(p.value.string_value)::varchar,
                p.value.int_value::varchar,
                case when isfinite(coalesce(p.value.double_value, p.value.float_value))
                    then coalesce(p.value.double_value, p.value.float_value)::varchar end,
                'null'
            )
        ), ',') || '}' as properties,
        -- the purchase's own columns come first, the parameters where they are empty
        case
            when event_name = 'refund' then -abs(coalesce(
                money_of(ecommerce.refund_value), money_of(value_param.double_value),
                money_of(value_param.float_value), value_param.int_value
            ))
            else coalesce(
                case when event_name in ('purchase', 'in_app_purchase')
                    then money_of(ecommerce.purchase_revenue) end,
                money_of(value_param.double_value), money_of(value_param.float_value), value_param.int_value
            )
        end as value,
        coalesce(ecommerce.transaction_id, transaction_param) as raw_transaction_id
    from picked
),
identified as (
    select
        *,
        key_of(concat_ws(
            '|', source, coalesce(given_device_id, ''), coalesce(user_id, ''), event_us, event_name,
            coalesce(ga_session_id::varchar, ''), coalesce(event_bundle_sequence_id::varchar, ''),
            coalesce(stream_id, ''), coalesce(batch_page_id::varchar, ''),
            coalesce(batch_ordering_id::varchar, ''), coalesce(batch_event_index::varchar, ''),
            coalesce(properties, ''), coalesce(raw_transaction_id, ''), coalesce(value::varchar, ''),
            -- two products put in the cart at once may differ in nothing but this
            array_to_string(list_transform(
                items, lambda i: concat_ws('~', i.item_id, i.item_variant, i.quantity, i.price)
            ), ',')
        )) as event_number
    from described
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
        -- the vendor's order inside one timestamp; files before 2024 have none
        (case when batch_ordering_id is null then 0 else row_number() over (
            partition by device_id, event_us
            order by batch_page_id, batch_ordering_id, batch_event_index, event_number
        ) end)::integer as event_seq,
        event_name,
        -- path without host and query; an app's screen has no such parameter
        coalesce(nullif(regexp_extract(
            page_location, '^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//[^/?#]*([^?#]*)', 1
        ), ''), case when page_location is not null then '/' end) as page,
        key_of(source || '|' || device_id || '|' || ga_session_id) as session_number,
        ga_session_id::varchar as vendor_session_id,
        lower(device.category) as device,
        device.operating_system as os,
        coalesce(device.web_info.browser, device.browser) as browser,
        geo.country as country,
        coalesce(
            cross_channel.source, manual.source, collected.manual_source, source_param,
            case when collected.gclid is not null then 'google' end
        ) as source_name,
        coalesce(
            cross_channel.medium, manual.medium, collected.manual_medium, medium_param,
            case when collected.gclid is not null then 'cpc' end
        ) as medium,
        coalesce(
            cross_channel.campaign_name, manual.campaign_name, collected.manual_campaign_name,
            campaign_param
        ) as campaign,
        cross_channel.default_channel_group as given_channel,
        traffic_source.source as first_source_name,
        traffic_source.medium as first_medium,
        traffic_source.name as first_campaign,
        coalesce(ga_session_number = 1, event_name = 'first_visit') as is_new_user,
        value,
        currency_param as currency,
        case when trim(raw_transaction_id) not in ('', '(not set)', 'null', 'undefined')
            then trim(raw_transaction_id) end as transaction_id,
        event_name in ('purchase', 'in_app_purchase', 'refund') as is_revenue,
        traffic_type,
        properties,
        copies::integer as copies
    from deduplicated
)
select * from shaped
