-- One row per series and day: what came, what was to be expected, and whether it is next to nothing.
-- usual: the median of the same weekday over the eight weeks before, at least two of them. expected: usual, less
-- where the rest of the source's traffic is less that day (a holiday, a source that lost its visitors).
-- is_low: under a tenth of expected, expected at least 20, and improbable: Anscombe's root of the Poisson count,
-- 2 (sqrt(x + 3/8) - sqrt(m + 3/8)), under -4 after division by sqrt(1 + m cv^2), the quasi-Poisson spread; cv is
-- 1.4826 x the median absolute deviation of events / expected over the eight weeks before (Anscombe 1948, Rousseeuw
-- and Croux 1993). A shop whose days vary by half is therefore never low, one of 20 events a day only at none.
with weekly as (
    select
        *,
        median(events) over same_weekdays as usual,
        median(rest) over same_weekdays as usual_rest,
        count(*) over same_weekdays as weekdays_before
    from intermediate.tracking_series
    window same_weekdays as (
        partition by
            signal, source, event_name, journey_number, stage_number, segment_column, segment_value,
            dayofweek(day)
        order by day rows between 8 preceding and 1 preceding
    )
),
related as (
    select
        *,
        usual * case
            when rest is null then 1
            -- that everything stopped everywhere at once is no holiday
            when signal = 'source' and segment_column is null and rest < 0.02 * usual_rest then 1
            when usual_rest > 0 then least(1.0, rest / usual_rest)
            else 0
        end as expected
    from weekly
),
compared as (
    select *, case when expected > 0 then events / expected end as ratio
    from related
),
varied as (
    select
        *,
        1.4826 * median(abs(ratio - 1)) over before as cv,
        median(ratio) over week_before as ratio_before
    from compared
    window
        before as (
            partition by
                signal, source, event_name, journey_number, stage_number, segment_column, segment_value
            order by day rows between 56 preceding and 1 preceding
        ),
        week_before as (
            partition by
                signal, source, event_name, journey_number, stage_number, segment_column, segment_value
            order by day rows between 7 preceding and 1 preceding
        )
)
select
    *,
    weekdays_before >= 2 and expected >= 20 and events < 0.1 * expected
        and 2 * (sqrt(events + 0.375) - sqrt(expected + 0.375))
        / sqrt(1 + expected * coalesce(cv, 0) * coalesce(cv, 0)) < -4 as is_low,
    -- not enough to begin a break, but to go on with one: a quiet day
    weekdays_before >= 2 and expected >= 3 and events < 0.1 * expected as is_faint,
    expected >= 10 and events >= 0.3 * expected as is_good
from varied
