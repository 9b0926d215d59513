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
        case when e.currency is null or e.currency = s.currency then 1.0 else x.rate end as fx_rate
    from staging.events as e
    inner join intermediate.keyed_events as k on e.event_number = k.event_number
    inner join intermediate.traffic as t on e.event_number = t.event_number
    inner join intermediate.channels as c
        on t.given_channel is not distinct from c.given_channel
        and t.source_name is not distinct from c.source_name
        and t.medium is not distinct from c.medium
        and t.campaign is not distinct from c.campaign
    cross join config.settings as s
    left join config.fx as x on e.currency = x.currency
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
        value,
        currency,
        transaction_id,
        is_revenue,
        fx_rate,
        value * fx_rate as amount
    from joined
)
select * from shaped
