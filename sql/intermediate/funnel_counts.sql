-- One row per row of marts.stage_funnel, its texts as numbers.
-- renewed by: cell_number, entry_date of attempt_stages
select
    journey_number, cell_number, entry_date, stage_number,
    count(*) as reached,
    count(advanced_us) as advanced,
    count(*) filter (where advanced_us is null and outcome = 'open') as still_open,
    count(*) filter (where advanced_us is null and outcome <> 'open') as lost,
    count(*) filter (where is_matured) as matured,
    count(*) filter (where is_matured and advanced_us is not null) as matured_advanced,
    count(*) filter (where is_matured and advanced_us is not null and outcome = 'converted')
        as matured_converted,
    coalesce(sum(value) filter (
        where is_matured and advanced_us is not null and outcome = 'converted'
    ), 0) as matured_value,
    median((advanced_us - entered_us) / 1e6) filter (where next_stage_number is not null)
        as median_seconds_to_next
from intermediate.attempt_stages
group by journey_number, cell_number, entry_date, stage_number
