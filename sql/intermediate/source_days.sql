-- One row per source and day of the workspace: how many events came and what is to be said of them.
select
    q.source,
    d.day,
    sum(q.events)::bigint as events,
    sum(q.duplicates)::bigint as duplicates,
    sum(q.named)::bigint as named,
    sum(q.joined)::bigint as joined,
    sum(q.device_only)::bigint as device_only,
    sum(q.nobody)::bigint as nobody,
    coalesce(sum(q.events) filter (where q.refused_id is not null), 0)::bigint as refused_ids,
    min(q.refused_id) as refused_id,
    sum(q.foreign_values)::bigint as foreign_values
from intermediate.source_quarters as q
inner join intermediate.tracking_quarters as d on q.quarter = d.quarter
group by q.source, d.day
