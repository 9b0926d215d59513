-- One row per stage visit: within a session, a run of a person's events in one stage of a journey.
-- Events of no stage neither belong to a visit nor break it: they are not among the stage moments.
with apart as (
    select
        j.journey_number, m.user_number, m.source_number, m.session_number,
        -- what is in order by the stages of all journeys is not always so by those of one
        list_sort(moments_in_stages(
            moments_in_journey(m.stage_moments, j.class_factor, j.class_base)
        )) as moments
    from intermediate.session_moments as m
    cross join config.journeys as j
    where len(m.stage_moments) > 0
    union all
    -- journeys that ask of an event what only its session knows
    select
        journey_number, user_number, source_number, session_number,
        list_sort(list(moment_of(event_us, event_seq, stage_number, false, false))) as moments
    from intermediate.session_stage_events
    group by journey_number, user_number, source_number, session_number
),
marked as (
    select *, starts_of_runs(moments) as starts from apart where len(moments) > 0
),
parted as (
    select
        journey_number, user_number, source_number, session_number,
        unnest(cut_at(moments, starts)) as moments
    from marked
),
visits as (
    select
        journey_number, user_number, source_number, session_number,
        moment_class(moments[1]) as stage_number,
        moment_us(moments[1]) as entered_us,
        moment_seq(moments[1]) as entered_seq,
        moment_us(moments[-1]) as left_us,
        len(moments) as event_count
    from parted
),
numbered as (
    select
        *,
        row_number() over (
            partition by journey_number, user_number
            order by entered_us, entered_seq, stage_number, session_number
        ) as visit_number
    from visits
)
select * from numbered
