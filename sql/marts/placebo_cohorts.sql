-- One row per journey, persona, transition from a required stage to the next, day on which attempts first reached the stage, group of users by chance, and age at which they came to the next. The groups mean nothing: whoever finds one of them worse has found chance.
-- journey: name of the journey
-- persona: persona of the attempts
-- stage: the stage reached
-- next_stage: the next required stage
-- reached_date: day of the first visit to the stage, in the workspace's time zone
-- placebo_group: 0 to 7, by the user: all attempts of a person are in the same group, on every night
-- age_days: days from reached_date to the day of the first visit to the next stage at or after it; NULL where there is none so far
-- attempts: attempts that reached the stage
-- renewed by: reached_date of attempt_stages, (attempts)
with placed as (
    select
        a.journey, r.persona, s.stage, s.next_stage,
        r.reached_date,
        -- a user number is a digest, so any of its bits are as good as a throw of dice
        a.user_number % 8 as placebo_group,
        r.age_days
    from intermediate.attempt_stages as r
    inner join intermediate.attempts as a on r.attempt_number = a.attempt_number
    inner join config.persona_stages as s
        on r.journey_number = s.journey_number and r.persona = s.persona
        and r.stage_number = s.stage_number
    where r.next_stage_number is not null
),
counted as (
    select
        journey, persona, stage, next_stage, reached_date, placebo_group, age_days, count(*) as attempts
    from placed
    group by journey, persona, stage, next_stage, reached_date, placebo_group, age_days
)
select * from counted
