-- One row per session, person in it and journey of which it visits a stage: the visits in order, as lists; and with
-- `scope: session` its attempt, if the session has one. A visit is a run of the person's events in one stage; events
-- of no stage neither belong to it nor break it: they are not among the stage moments.
-- entered: the first moment of each visit, its class the stage. left_us, event_counts: of the same visits
-- opening_place, last_place: places (from 1) of the attempt's first and last visit; NULL where there is none
-- renewed by: session_number of session_moments, session_spans, session_stage_events
with apart as (
    select
        j.journey_number, m.user_number, m.source_number, m.session_number,
        -- what is in order by the stages of all journeys is not always so by those of one
        list_sort(moments_in_stages(
            moments_in_journey(m.stage_moments, j.class_factor, j.class_base)
        )) as moments
    from intermediate.session_moments as m
    cross join config.journeys as j
    -- asked before its moments are made: a condition on those would make them twice
    where is_any_in_journey(m.stage_moments, j.class_factor, j.class_base)
    union all
    -- journeys that ask of an event what only its session knows
    select
        journey_number, user_number, source_number, session_number,
        list_sort(list(moment_of(event_us, event_seq, stage_number, false, false))) as moments
    from intermediate.session_stage_events
    group by journey_number, user_number, source_number, session_number
),
marked as (
    select *, starts_of_runs(moments) as starts from apart
),
visited as (
    select
        m.journey_number, m.user_number, m.source_number, m.session_number,
        first_of_parts(m.moments, m.starts) as entered,
        times_of_moments(last_of_parts(m.moments, m.starts)) as left_us,
        lengths_of_parts(m.moments, m.starts) as event_counts,
        stages_of_moments(first_of_parts(m.moments, m.starts)) as stage_numbers,
        j.journey, j.scope_is_session, j.goal_stage_number, j.window_us,
        case when not j.scope_is_session then null
            when j.entry_is_any then 1
            else place_in(stages_of_moments(first_of_parts(m.moments, m.starts)), j.entry_stage_number)
            end as opening_place
    from marked as m
    inner join config.journeys as j on m.journey_number = j.journey_number
),
opened as (
    select
        v.*,
        moment_us(v.entered[v.opening_place]) as entered_us,
        place_from(v.stage_numbers, v.opening_place, v.goal_stage_number) as goal_place,
        case when v.opening_place is not null
            then least(
                moment_us(v.entered[v.opening_place]) + v.window_us, s.ended_us + c.inactivity_us
            ) end as closes_us,
        s.started_us as session_started_us,
        s.ended_us as session_ended_us
    from visited as v
    inner join intermediate.session_spans as s on v.session_number = s.session_number
    cross join config.settings as c
),
ended as (
    select
        *,
        coalesce(moment_us(entered[goal_place]) <= entered_us + window_us, false) as converts
    from opened
)
select
    journey_number, user_number, source_number, session_number, session_started_us,
    entered, left_us, event_counts,
    opening_place,
    case when converts then goal_place else moments_until(entered, closes_us) end as last_place,
    converts,
    case when converts then moment_us(entered[goal_place]) end as converted_us,
    case when converts then session_ended_us end as goal_session_ended_us,
    closes_us,
    case when opening_place is not null then key_of(concat_ws(
        '|', journey, user_number, entered_us, session_number, stage_numbers[opening_place]
    )) end as attempt_number
from ended
