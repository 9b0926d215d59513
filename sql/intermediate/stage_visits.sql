-- One row per stage visit: within a session, a run of a user's events in one stage of a journey.
-- Events of no stage neither belong to a visit nor break it: they are not in stage_events.
with ordered as (
    select
        *,
        lag(stage_number) over (
            partition by journey_number, user_number, session_number
            order by event_us, event_seq, stage_number, event_number
        ) as previous_stage_number,
        row_number() over (
            partition by journey_number, user_number, session_number
            order by event_us, event_seq, stage_number, event_number
        ) as place
    from intermediate.stage_events
),
runs as (
    select
        *,
        sum(case when previous_stage_number = stage_number then 0 else 1 end) over (
            partition by journey_number, user_number, session_number order by place
            rows between unbounded preceding and current row
        ) as run_number
    from ordered
),
visits as (
    select
        journey_number, user_number, session_number, run_number,
        min(stage_number) as stage_number,
        min(event_us) as entered_us,
        max(event_us) as left_us,
        count(*) as event_count,
        arg_min(event_number, place) as first_event_number,
        arg_min(event_seq, place) as first_event_seq
    from runs
    group by journey_number, user_number, session_number, run_number
),
numbered as (
    select
        *,
        row_number() over (
            partition by journey_number, user_number
            order by entered_us, first_event_seq, stage_number, session_number, run_number
        ) as visit_number
    from visits
)
select * from numbered
