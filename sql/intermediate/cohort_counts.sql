-- One row per row of marts.stage_cohorts, its texts as numbers.
-- renewed by: cell_number, reached_date of attempt_stages
with joined as (
    select r.*, r.advanced_us - r.entered_us as waited_us, s.next_within_us
    from intermediate.attempt_stages as r
    inner join config.persona_stages as s
        on r.journey_number = s.journey_number and r.persona = s.persona
        and r.stage_number = s.stage_number
    where r.next_stage_number is not null
),
counted as (
    select
        journey_number, cell_number, stage_number, reached_date, age_days,
        count(*) as attempts,
        count(*) filter (where age_days is not null and outcome = 'converted') as converted,
        coalesce(sum(value) filter (where age_days is not null and outcome = 'converted'), 0) as value,
        coalesce(sum(waited_us), 0) / 1e6 as seconds,
        median(waited_us / 1e6) as median_seconds,
        case
            when max(next_within_us) is not null then count(*) filter (where waited_us <= next_within_us)
        end as within_ideal,
        count(*) filter (where has_skipped) as skipped,
        count(*) filter (where has_looped) as looped,
        count(*) filter (where has_backtracked) as backtracked
    from joined
    group by journey_number, cell_number, stage_number, reached_date, age_days
)
select * from counted
