-- One row per visit that could open an attempt of a journey by user, with how that attempt would end.
-- renewed by: user_number of stage_visits
with known as (
    select
        v.journey_number, v.user_number, v.session_number, v.source_number, v.visit_number, v.stage_number,
        v.entered_us, v.entered_seq,
        j.window_us,
        j.entry_is_any or v.stage_number = j.entry_stage_number as may_open,
        v.stage_number = j.goal_stage_number as is_goal
    from intermediate.stage_visits as v
    inner join config.journeys as j on v.journey_number = j.journey_number
    where not j.scope_is_session
),
placed as (
    -- what lies between beginning and goal decides nothing here
    select k.*, s.started_us as session_started_us, s.ended_us as session_ended_us
    from known as k
    inner join intermediate.session_spans as s on k.session_number = s.session_number
    where k.may_open or k.is_goal
),
looking_ahead as (
    select
        *,
        min(case when is_goal then visit_number end) over ahead as goal_visit_number,
        min(case when is_goal then entered_us end) over ahead as goal_us
    from placed
    window ahead as (
        partition by journey_number, user_number order by visit_number
        rows between current row and unbounded following
    )
),
candidates as (
    select
        *,
        goal_us is not null and goal_us <= entered_us + window_us as converts,
        entered_us + window_us as closes_us
    from looking_ahead
    where may_open
),
ended as (
    select
        a.journey_number, a.user_number, a.visit_number, a.session_number,
        a.source_number, a.stage_number, a.entered_us, a.entered_seq, a.session_started_us, a.closes_us,
        a.converts,
        case when a.converts then a.goal_visit_number end as goal_visit_number,
        case when a.converts then a.goal_us end as converted_us,
        g.session_ended_us as goal_session_ended_us,
        -- after a conversion the next attempt needs a session that starts after this moment, else a
        -- visit after it
        case when a.converts then g.session_ended_us else a.closes_us end as free_us
    from candidates as a
    left join placed as g
        on a.converts and a.journey_number = g.journey_number and a.user_number = g.user_number
        and a.goal_visit_number = g.visit_number
)
select * from ended
