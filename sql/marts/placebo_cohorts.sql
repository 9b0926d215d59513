-- One row per journey, persona, transition from a required stage to the next, day on which attempts first reached the stage, group of users by chance, and age at which they came to the next. The groups mean nothing: whoever finds one of them worse has found chance.
-- journey: name of the journey
-- persona: persona of the attempts
-- stage: the stage reached
-- next_stage: the next required stage
-- reached_date: day of the first visit to the stage, in the workspace's time zone
-- placebo_group: 0 to 7, by the user: all attempts of a person are in the same group, on every night
-- age_days: days from reached_date to the day of the first visit to the next stage at or after it; NULL where there is none so far
-- attempts: attempts that reached the stage
select
    j.journey, n.persona, s.stage, s.next_stage, n.reached_date, n.placebo_group, n.age_days, n.attempts
from intermediate.placebo_counts as n
inner join config.journeys as j on n.journey_number = j.journey_number
inner join config.persona_stages as s
    on n.journey_number = s.journey_number and n.persona = s.persona and n.stage_number = s.stage_number
