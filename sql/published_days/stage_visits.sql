-- One row per UTC day of marts.stage_visits: how many rows it has, and a digest of them.
select
    epoch_us(m.entered_at) // 86400000000 as day_number,
    count(*) as row_count,
    sum(hash(m))::varchar as digest
from marts.stage_visits as m
group by epoch_us(m.entered_at) // 86400000000
