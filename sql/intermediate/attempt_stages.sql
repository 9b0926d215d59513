-- One row per attempt and required stage of its persona that it reached: when, the way to the next, and what is counted
-- of the attempt. Narrow on purpose: the marts of days count these rows and nothing else.
-- reached_date: the day of entered_us in the workspace's time zone. age_days: from it to the day of advanced_us
-- placebo_group: by the person; a user number is a digest, so any of its bits are as good as a throw of dice
-- renewed by: attempt_number of attempts, attempt_paths
with reached as (
    select
        a.journey_number, a.attempt_number, a.persona, a.cell_number, a.entry_date,
        s.stage_number, s.next_stage_number,
        t.entered_us[s.first_place] as entered_us,
        t.entered_us[s.advanced_place] as advanced_us,
        s.has_looped, s.has_backtracked, s.has_skipped, s.has_missed,
        a.outcome, a.is_matured, a.value,
        a.user_number % 8 as placebo_group
    from intermediate.attempts as a
    inner join intermediate.attempt_paths as t on a.attempt_number = t.attempt_number
    inner join intermediate.path_stages as s
        on a.journey_number = s.journey_number and a.persona = s.persona and a.path_number = s.path_number
),
dated as (
    select
        r.*,
        local_day_at(r.entered_us, e.offset_us, c.timezone) as reached_date,
        local_day_at(r.advanced_us, n.offset_us, c.timezone) as advanced_date
    from reached as r
    cross join config.settings as c
    left join intermediate.day_offsets as e on r.entered_us // 86400000000 = e.utc_day
    left join intermediate.day_offsets as n on r.advanced_us // 86400000000 = n.utc_day
)
select
    journey_number, attempt_number, persona, cell_number, entry_date,
    stage_number, next_stage_number, entered_us, advanced_us, reached_date,
    date_diff('day', reached_date, advanced_date) as age_days,
    has_looped, has_backtracked, has_skipped, has_missed,
    outcome, is_matured, value, placebo_group
from dated
