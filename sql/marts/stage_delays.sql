-- One row per cohort of stage_cohorts that came to the next stage, and bound on how long it took: a histogram from which the share within any of the bounds is exact, and a median of any sum of rows is known to its bin. Only attempts that advanced.
-- journey: name of the journey
-- persona: persona of the attempts
-- stage: the stage reached
-- next_stage: the next required stage
-- reached_date: day of the first visit to the stage, in the workspace's time zone
-- device: device of the attempt's first event
-- os: operating system of the attempt's first event
-- browser: browser of the attempt's first event
-- country: country of the attempt's first event
-- channel: channel of the attempt's first event
-- is_new_user: whether the attempt's first event was of a new user
-- age_days: days from reached_date to the day of the first visit to the next stage
-- above_seconds: it took longer than this; NULL in the first bin
-- within_seconds: it took at most this; NULL in the last bin. Sum the rows up to a bound for "advanced within it"
-- advanced: attempts that advanced in this time
-- renewed by: reached_date of attempt_stages, (attempts)
with bounds as (
    -- times people set as ideals: 10 s ... 45 s, 1 to 45 min, 1 to 18 h, then days
    select above_seconds, within_seconds
    from (values
        (null, 10), (10, 20), (20, 30), (30, 45), (45, 60), (60, 90), (90, 120), (120, 180), (180, 240),
        (240, 300), (300, 420), (420, 600), (600, 900), (900, 1200), (1200, 1500), (1500, 1800),
        (1800, 2700), (2700, 3600), (3600, 5400), (5400, 7200), (7200, 10800), (10800, 14400),
        (14400, 21600), (21600, 28800), (28800, 43200), (43200, 64800), (64800, 86400),
        (86400, 129600), (129600, 172800), (172800, 259200), (259200, 345600), (345600, 432000),
        (432000, 518400), (518400, 604800), (604800, 864000), (864000, 1209600), (1209600, 1814400),
        (1814400, 2419200), (2419200, 2592000), (2592000, 5184000), (5184000, 7776000), (7776000, null)
    ) as b (above_seconds, within_seconds)
),
joined as (
    select
        a.* exclude (
            journey_number, attempt_number, user_number, entered_us, entry_date, furthest_stage_number,
            converted_us, closes_us, is_matured, path_number
        ),
        s.stage,
        s.next_stage,
        r.reached_date,
        r.age_days,
        r.advanced_us - r.entered_us as waited_us
    from intermediate.attempt_stages as r
    inner join intermediate.attempts as a on r.attempt_number = a.attempt_number
    inner join config.persona_stages as s
        on r.journey_number = s.journey_number and r.persona = s.persona
        and r.stage_number = s.stage_number
    where r.next_stage_number is not null and r.advanced_us is not null
),
counted as (
    select
        j.journey, j.persona, j.stage, j.next_stage, j.reached_date,
        j.* exclude (
            journey, persona, stage, next_stage, reached_date, outcome, value, age_days, waited_us
        ),
        j.age_days,
        b.above_seconds,
        b.within_seconds,
        count(*) as advanced
    from joined as j
    inner join bounds as b
        on j.waited_us > coalesce(b.above_seconds, -1) * 1000000::bigint
        and (j.waited_us <= b.within_seconds * 1000000::bigint or b.within_seconds is null)
    group by all
)
select * from counted
