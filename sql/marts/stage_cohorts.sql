-- One row per journey, persona, transition from a required stage to the next, day on which attempts first reached the stage, combination of segment values, and age at which they came to the next. Leaf grain, no totals. An attempt without an age has not come so far; it may still be open.
-- journey: name of the journey
-- persona: persona of the attempts
-- stage: the stage reached
-- stage_number: its place in the ideal order, from 1
-- next_stage: the next required stage
-- reached_date: day of the first visit to the stage, in the workspace's time zone
-- device: device of the attempt's first event
-- os: operating system of the attempt's first event
-- browser: browser of the attempt's first event
-- country: country of the attempt's first event
-- channel: channel of the attempt's first event
-- is_new_user: whether the attempt's first event was of a new user
-- age_days: days from reached_date to the day of the first visit to the next stage at or after it, from 0 to the days of the window (one more where clocks go forward on the way); NULL where there is none so far
-- attempts: attempts that reached the stage
-- converted: of those with an age, attempts that reached the goal
-- value: the money of these, in the workspace's currency
-- seconds: time from first reaching the stage to the next stage, summed over those with an age
-- median_seconds: the median of these times in this row; over several rows marts.stage_delays tells it
-- within_ideal: of those with an age, attempts that came within the time that the ideal of the next stage gives, inclusive; NULL where the journey writes none
-- skipped: attempts that later reached a required stage beyond the next, which they never visited
-- looped: attempts that left the stage for another and came back to it
-- backtracked: attempts that went on to an earlier stage after first reaching this one
-- renewed by: reached_date of attempt_stages, (attempts)
with joined as (
    select
        a.* exclude (
            journey_number, attempt_number, user_number, entered_us, entry_date, furthest_stage_number,
            converted_us, closes_us, is_matured, path_number
        ),
        s.stage,
        s.stage_number,
        s.next_stage,
        s.next_within_us,
        r.reached_date,
        r.age_days,
        r.advanced_us - r.entered_us as waited_us,
        r.has_skipped,
        r.has_looped,
        r.has_backtracked
    from intermediate.attempt_stages as r
    inner join intermediate.attempts as a on r.attempt_number = a.attempt_number
    inner join config.persona_stages as s
        on r.journey_number = s.journey_number and r.persona = s.persona
        and r.stage_number = s.stage_number
    where r.next_stage_number is not null
),
counted as (
    select
        journey, persona, stage, stage_number, next_stage, reached_date,
        * exclude (
            journey, persona, stage, stage_number, next_stage, next_within_us, reached_date, outcome, value,
            age_days, waited_us, has_skipped, has_looped, has_backtracked
        ),
        age_days,
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
    group by all
)
select * from counted
