-- One row per traffic source that an event or a first visit names, and direct.
-- Where an export says which channel GA4 gave a visit, that counts, so that none is asked of the rules.
-- grows: whole
with together as (
    select source_name, medium, campaign from intermediate.origins where is_told
    union
    select
        coalesce(first_source_name, '(direct)') as source_name,
        coalesce(first_medium, '(none)') as medium,
        first_campaign as campaign
    from intermediate.origins
)
select null::varchar as given_channel, source_name, medium, campaign from together
