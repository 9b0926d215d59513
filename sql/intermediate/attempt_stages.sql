-- One row per attempt and required stage of its persona that it reached: when, and the way to the next.
with firsts as (
    select attempt_number, stage_number, min(visit_number) as visit_number, min(entered_us) as entered_us
    from intermediate.attempt_visits
    where attempt_number is not null
    group by attempt_number, stage_number
),
reached as (
    select
        a.journey_number, a.attempt_number, a.persona,
        f.stage_number, f.visit_number, f.entered_us,
        s.next_stage_number
    from firsts as f
    inner join intermediate.attempts as a on f.attempt_number = a.attempt_number
    inner join config.persona_stages as s
        on a.journey_number = s.journey_number and a.persona = s.persona
        and f.stage_number = s.stage_number
),
advances as (
    select
        r.attempt_number, r.stage_number,
        min(v.entered_us) as advanced_us
    from reached as r
    inner join intermediate.attempt_visits as v
        on r.attempt_number = v.attempt_number and r.next_stage_number = v.stage_number
        and v.visit_number > r.visit_number
    group by r.attempt_number, r.stage_number
),
joined as (
    select
        r.*,
        coalesce(x.advanced_us, case when r.next_stage_number is null then r.entered_us end)
            as advanced_us
    from reached as r
    left join advances as x
        on r.attempt_number = x.attempt_number and r.stage_number = x.stage_number
)
select * from joined
