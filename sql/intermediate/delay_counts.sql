-- One row per row of marts.stage_delays, its texts as numbers.
-- renewed by: cell_number, reached_date of attempt_stages
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
counted as (
    select
        r.journey_number, r.cell_number, r.stage_number, r.reached_date, r.age_days,
        b.above_seconds, b.within_seconds,
        count(*) as advanced
    from intermediate.attempt_stages as r
    inner join bounds as b
        on r.advanced_us - r.entered_us > coalesce(b.above_seconds, -1) * 1000000::bigint
        and (
            r.advanced_us - r.entered_us <= b.within_seconds * 1000000::bigint or b.within_seconds is null
        )
    where r.next_stage_number is not null and r.advanced_us is not null
    group by
        r.journey_number, r.cell_number, r.stage_number, r.reached_date, r.age_days,
        b.above_seconds, b.within_seconds
)
select * from counted
