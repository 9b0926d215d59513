-- One row per stage visit: within a session, a run of a person's events in one stage of a journey.
-- attempt_number: with `scope: session` the attempt that was open when it was entered
-- renewed by: user_number of session_stages
with visits as (
    select
        journey_number, user_number, source_number, session_number,
        unnest(entered) as entered,
        unnest(left_us) as left_us,
        unnest(event_counts) as event_count,
        unnest(range(1, len(entered) + 1)) as place,
        opening_place, last_place, attempt_number
    from intermediate.session_stages
)
select
    journey_number, user_number, source_number, session_number,
    moment_class(entered) as stage_number,
    moment_us(entered) as entered_us,
    moment_seq(entered) as entered_seq,
    left_us,
    event_count,
    case when place between opening_place and last_place then attempt_number end as attempt_number,
    row_number() over (
        partition by journey_number, user_number
        order by entered, session_number
    ) as visit_number
from visits
