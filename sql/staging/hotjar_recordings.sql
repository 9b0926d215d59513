-- One row per Hotjar recording of one landed day.
with picked as (
    select
        d.source,
        r.at as recorded_us,
        r.row['Recording URL'] as recording_url,
        r.row['Hotjar User ID'] as hotjar_user_id,
        nullif(nullif(trim(r.row[d.user_id_column]), ''), 'N/A') as user_id,
        nullif(r.row['Country'], 'N/A') as country,
        lower(nullif(r.row['Device'], 'N/A')) as device,
        nullif(r.row['Browser'], 'N/A') as browser,
        nullif(r.row['Operating System'], 'N/A') as os,
        coalesce(nullif(regexp_extract(
            nullif(r.row['Landing Page URL'], 'N/A'), '^(?:[a-zA-Z]+:)?(?://[^/?#]*)?([^?#]*)', 1
        ), ''), case when r.row['Landing Page URL'] like '%//%' then '/' end) as landing_page,
        coalesce(nullif(regexp_extract(
            nullif(r.row['Exit Page URL'], 'N/A'), '^(?:[a-zA-Z]+:)?(?://[^/?#]*)?([^?#]*)', 1
        ), ''), case when r.row['Exit Page URL'] like '%//%' then '/' end) as exit_page,
        try_cast(r.row['Duration (seconds)'] as integer) as duration_seconds,
        try_cast(r.row['Page Count'] as integer) as page_count,
        try_cast(r.row['Action Count'] as integer) as action_count,
        try_cast(r.row['Rage Clicks'] as integer) as rage_clicks,
        try_cast(r.row['U-Turns'] as integer) as u_turns
    from raw.hotjar_recordings as r
    cross join raw.context as d
)
select distinct * from picked
