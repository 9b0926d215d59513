-- One row per combination of what events say of where their visitor came from.
-- is_named: says so itself. is_told: says so itself, or at least which channel it was
-- standing_source_name, standing_medium, standing_campaign: what holds where the session tells nothing else: the
-- event's own, else that of the user's first visit, else direct
-- grows: origin_number
with seen as (
    select distinct
        given_channel, source_name, medium, campaign, first_source_name, first_medium, first_campaign
    from staging.events
),
judged as (
    select *, medium is not null or source_name is not null as is_named from seen
)
select
    (row_number() over (
        order by given_channel, source_name, medium, campaign, first_source_name, first_medium, first_campaign
    ))::integer as origin_number,
    given_channel, source_name, medium, campaign, first_source_name, first_medium, first_campaign,
    is_named,
    is_named or given_channel is not null as is_told,
    case when is_named then source_name else coalesce(first_source_name, '(direct)') end as standing_source_name,
    case when is_named then medium else coalesce(first_medium, '(none)') end as standing_medium,
    case when is_named then campaign else first_campaign end as standing_campaign
from judged
