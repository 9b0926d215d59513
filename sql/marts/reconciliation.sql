-- One row per source, day and event name whose count a vendor's own report gives beside ours. Empty without a property_id.
-- source: name of the source in painpoints.toml
-- day: day of the source
-- event_name: event
-- our_count: events we hold, exact duplicates folded, before exclusions
-- vendor_count: events the vendor reports
-- difference: ours less the vendor's
-- reason: equal, not landed, late, zone, (other), thresholded, truncated, sampled, empty: and the vendor's word for why, consent, duplicates, small, or unexplained
with ours as (
    select
        e.source,
        local_day(e.event_us, z.timezone) as day,
        e.event_name,
        count(*) as our_count,
        sum(e.copies - 1) as duplicates,
        count(*) filter (where e.found_by = 'nobody') as nobody
    from intermediate.identified_events as e
    inner join config.sources as z on e.source = z.source
    where e.source in (select source from lake.vendor_days)
    group by e.source, local_day(e.event_us, z.timezone), e.event_name
),
vendors as (
    select source, day, event_name, sum(vendor_count)::bigint as vendor_count
    from lake.vendor_counts
    where event_name is not null
    group by source, day, event_name
),
paired as (
    select
        coalesce(o.source, v.source) as source,
        coalesce(o.day, v.day) as day,
        coalesce(o.event_name, v.event_name) as event_name,
        coalesce(o.our_count, 0) as our_count,
        coalesce(v.vendor_count, 0) as vendor_count,
        coalesce(o.our_count, 0) - coalesce(v.vendor_count, 0) as difference,
        coalesce(o.duplicates, 0) as duplicates,
        coalesce(o.nobody, 0) as nobody
    from ours as o
    full outer join vendors as v
        on o.source = v.source and o.day = v.day and o.event_name = v.event_name
),
explained as (
    select
        p.source, p.day, p.event_name, p.our_count, p.vendor_count, p.difference,
        case
            when p.difference = 0 then 'equal'
            when l.day is null then 'not landed'
            when not l.is_complete or not l.is_settled or not r.is_settled then 'late'
            when not r.same_zone then 'zone'
            -- the vendor's row of what it does not name takes events from the others
            when p.event_name = '(other)' or (p.difference > 0 and r.has_other_row) then '(other)'
            when p.difference > 0 and r.is_thresholded then 'thresholded'
            when p.difference > 0 and r.is_truncated then 'truncated'
            when r.is_sampled then 'sampled'
            when p.difference > 0 and r.empty_reason is not null then 'empty: ' || r.empty_reason
            -- events without consent are exported without identity, and reported only where modelled
            when p.difference > 0 and p.difference <= p.nobody then 'consent'
            when p.difference < 0 and -p.difference <= p.duplicates then 'duplicates'
            when abs(p.difference) <= 0.02 * p.vendor_count then 'small'
            else 'unexplained'
        end as reason
    from paired as p
    -- only days whose report has landed can be compared
    inner join lake.vendor_days as r on p.source = r.source and p.day = r.day
    inner join config.sources as z on p.source = z.source
    left join lake.days as l on p.source = l.source and p.day = l.day
)
select * from explained
