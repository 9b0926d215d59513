-- One row per event that counts: the canonical event with integer keys and money in one currency.
-- The wide `properties` stay in staging.events, and texts of keys are made where they are shown.
with joined as (
    select
        e.*,
        k.user_number,
        k.session_number as assigned_session_number,
        c.channel,
        t.source_name as traffic_source_name,
        t.medium as traffic_medium,
        t.campaign as traffic_campaign,
        case when r.event_number is not null then r.value else e.value end as own_value,
        case when r.event_number is not null then r.currency else e.currency end as own_currency,
        s.currency as home_currency
    from staging.events as e
    inner join intermediate.keyed_events as k on e.event_number = k.event_number
    inner join intermediate.traffic as t on e.event_number = t.event_number
    inner join intermediate.channels as c
        on t.given_channel is not distinct from c.given_channel
        and t.source_name is not distinct from c.source_name
        and t.medium is not distinct from c.medium
        and t.campaign is not distinct from c.campaign
    left join intermediate.refund_values as r on e.event_number = r.event_number
    cross join config.settings as s
),
converted as (
    select
        j.*,
        case when j.own_currency is null or j.own_currency = j.home_currency then 1.0 else x.rate end
            as fx_rate
    from joined as j
    left join config.fx as x on j.own_currency = x.currency
),
shaped as (
    select
        source,
        event_number,
        user_number,
        device_number,
        device_id,
        user_id,
        event_us,
        event_seq,
        event_name,
        page,
        assigned_session_number as session_number,
        vendor_session_id,
        device,
        os,
        browser,
        country,
        channel,
        traffic_medium as medium,
        traffic_source_name as source_name,
        traffic_campaign as campaign,
        is_new_user,
        own_value as value,
        own_currency as currency,
        transaction_id,
        is_revenue,
        fx_rate,
        own_value * fx_rate as amount
    from converted
)
select * from shaped
