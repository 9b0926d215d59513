-- One row per answered survey question of one landed day.
with answered as (
    select
        d.source,
        d.user_id_column,
        r.at as answered_us,
        r.row['Number'] as response_number,
        nullif(nullif(trim(r.row['Hotjar User ID']), ''), 'N/A') as hotjar_user_id,
        nullif(nullif(trim(r.row[d.user_id_column]), ''), 'N/A') as user_id,
        nullif(r.row['Country'], 'N/A') as country,
        lower(nullif(r.row['Device'], 'N/A')) as device,
        coalesce(nullif(regexp_extract(
            nullif(r.row['Source URL'], 'N/A'), '^(?:[a-zA-Z]+:)?(?://[^/?#]*)?([^?#]*)', 1
        ), ''), case when r.row['Source URL'] like '%//%' then '/' end) as page,
        unnest(map_entries(r.row)) as cell
    from raw.hotjar_surveys as r
    cross join raw.context as d
),
questions as (
    select
        source, answered_us, response_number, hotjar_user_id, user_id, country, device, page,
        cell.key as question,
        cell.value as answer,
        null::varchar as comment,
        null::varchar as question_type,
        'csv' as way_in
    from answered
    -- every column that is not of the fixed header is a question; "Tags for:" are the analyst's own
    where cell.key not in (
        'Number', 'User', 'Date Submitted', 'Country', 'Source URL', 'Device', 'Browser', 'OS',
        'Hotjar User ID'
    ) and cell.key not like 'Tags for:%'
        and cell.key is distinct from user_id_column
        and cell.value is not null and trim(cell.value) not in ('', 'N/A')
)
select distinct * from questions
