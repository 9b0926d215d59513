-- One row per answered question of a survey response of one landed day, as Hotjar's API gives it.
with answered as (
    select
        d.source,
        r.at as answered_us,
        r.row['id'] as response_number,
        nullif(trim(r.row['hotjar_user_id']), '') as hotjar_user_id,
        nullif(trim(r.row['user_attributes.' || d.user_id_column]), '') as user_id,
        r.row['country'] as country,
        lower(r.row['device']) as device,
        coalesce(nullif(regexp_extract(
            r.row['response_origin_url'], '^(?:[a-zA-Z]+:)?(?://[^/?#]*)?([^?#]*)', 1
        ), ''), case when r.row['response_origin_url'] like '%//%' then '/' end) as page,
        r.row['survey.questions'] as questions,
        r.row['survey.question_types'] as question_types,
        unnest(from_json(r.row['answers'], '["JSON"]')) as given
    from raw.hotjar_responses as r
    cross join raw.context as d
),
questions as (
    select
        source, answered_us, response_number, hotjar_user_id, user_id, country, device, page,
        -- a question that was deleted has no text any more
        coalesce(
            nullif(property(questions, json_extract_string(given, '$.question_id')), ''),
            json_extract_string(given, '$.question_id')
        ) as question,
        -- several choices come as a list
        nullif(trim(case when json_type(given, '$.answer') = 'ARRAY'
            then array_to_string(from_json(json_extract(given, '$.answer'), '["VARCHAR"]'), ', ')
            else json_extract_string(given, '$.answer') end), '') as answer,
        nullif(trim(json_extract_string(given, '$.comment')), '') as comment,
        nullif(property(question_types, json_extract_string(given, '$.question_id')), '') as question_type,
        'api' as way_in
    from answered
)
select distinct * from questions
where answer is not null or comment is not null
