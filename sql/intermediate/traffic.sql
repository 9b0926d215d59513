-- One row per traffic source that an event or a first visit names, and direct.
-- Where an export says which channel GA4 gave a visit, that counts, so that none is asked of the rules.
with named as (
    select distinct source_name, medium, campaign
    from staging.events
    where medium is not null or source_name is not null or given_channel is not null
),
first_named as (
    select distinct
        coalesce(first_source_name, '(direct)') as source_name,
        coalesce(first_medium, '(none)') as medium,
        first_campaign as campaign
    from staging.events
),
together as (
    select * from named
    union
    select * from first_named
)
select null::varchar as given_channel, source_name, medium, campaign from together
