-- One row per row of marts.placebo_cohorts, its texts as numbers.
-- adds up: attempts of attempt_stages
select
    journey_number, persona, stage_number, reached_date, placebo_group, age_days,
    count(*) as attempts
from intermediate.attempt_stages
where next_stage_number is not null
group by journey_number, persona, stage_number, reached_date, placebo_group, age_days
