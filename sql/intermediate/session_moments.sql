-- One row per session and person in it, with its moments in order: one person unless the vendor's session has more.
-- The vendor's session where there is one, else a gap longer than the inactivity starts a new one.
-- A moment packs time, order in the time, stages and flags of an event into one number that sorts like them
-- (pipelines/engine_functions.py). Sorting one list a person beats windows over all events several times.
-- stage_moments: those of the events that belong to a stage of some journey
-- renewed by: user_number, source_number, vendor_session_number of keyed_events, since
with gathered as (
    select
        user_number, source_number, vendor_session_number,
        list_sort(list(moment_of(event_us, event_seq, stage_class, page_number is not null, has_traffic))) as moments
    from intermediate.keyed_events
    where user_number is not null
    group by user_number, source_number, vendor_session_number
),
marked as (
    select
        g.*,
        case when g.vendor_session_number is null
            then starts_after_gaps(g.moments, s.inactivity_us) else [1] end as starts
    from gathered as g
    cross join config.settings as s
),
parted as (
    select
        user_number, source_number, vendor_session_number,
        unnest(cut_at(moments, starts)) as moments
    from marked
),
picked as (
    select
        *,
        moments_with_page(moments) as paged,
        moments_with_traffic(moments) as told
    from parted
),
described as (
    select
        p.user_number,
        p.source_number,
        p.vendor_session_number,
        p.vendor_session_number is not null as is_of_vendor,
        coalesce(
            p.vendor_session_number,
            key_of(concat_ws('|', c.source, p.user_number, moment_us(p.moments[1])))
        ) as session_number,
        moment_us(p.moments[1]) as started_us,
        moment_us(p.moments[-1]) as ended_us,
        len(p.moments) as event_count,
        moment_us(p.paged[1]) as landed_us,
        moment_us(p.paged[-1]) as left_us,
        moment_us(p.told[1]) as told_us,
        moments_in_stages(p.moments) as stage_moments
    from picked as p
    inner join config.sources as c on p.source_number = c.source_number
)
select * from described
