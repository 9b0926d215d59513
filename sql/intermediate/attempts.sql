-- One row per attempt, with integer keys and whatever the marts and the cube need of it.
-- entry_date: the day it opened, in the workspace's time zone; an attempt never moves to another.
-- renewed by: attempt_number of session_stages, user_attempts, attempt_paths, attempt_cells, attempt_values
with joined as (
    select
        o.journey_number,
        j.journey,
        o.attempt_number,
        o.user_number,
        o.entered_us,
        local_day_at(o.entered_us, d.offset_us, s.timezone) as entry_date,
        t.furthest_stage_number,
        case when o.converts then 'converted'
            when o.closes_us >= h.horizon_us then 'open'
            else 'abandoned' end as outcome,
        o.converted_us,
        o.closes_us,
        -- nobody knows yet how an attempt ends whose window reaches past the data
        o.closes_us < h.horizon_us as is_matured,
        t.path_number,
        v.value,
        c.*
    from intermediate.attempt_openings as o
    inner join config.journeys as j on o.journey_number = j.journey_number
    inner join intermediate.horizons as h on o.journey_number = h.journey_number
    cross join config.settings as s
    inner join intermediate.attempt_paths as p on o.attempt_number = p.attempt_number
    inner join intermediate.paths as t
        on p.journey_number = t.journey_number and p.stage_numbers = t.stage_numbers
    inner join intermediate.attempt_cells as a on o.attempt_number = a.attempt_number
    inner join intermediate.cells as c on a.cell_number = c.cell_number
    left join intermediate.day_offsets as d on o.entered_us // 86400000000 = d.utc_day
    left join intermediate.attempt_values as v on o.attempt_number = v.attempt_number
)
select * from joined
