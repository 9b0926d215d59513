-- One row per answered survey question, word for word. An answer that came as CSV and by the API is there once, as the API gave it.
-- source: name of the source in painpoints.toml
-- answered_at: when, UTC
-- response_number: number of the response in the export, or its id in the API
-- hotjar_user_id: Hotjar's own user id; it joins with no other source
-- country: country: its name in CSV exports, its two-letter code in the API
-- device: desktop, mobile or tablet
-- page: path of the page it was answered on
-- question: the question
-- answer: the answer, as typed; NULL where there is only a comment
-- user_id: the id the shop gave the user, where it was passed to Hotjar and user_id of the source names it
-- user_key: the person, as in events; NULL without a user_id, or where no event has it or it names nobody
-- comment: what was typed beside a chosen answer; only the API tells it apart
-- question_type: nps, long-text, rating-1-5 and so on; NULL in CSV exports, which do not say
with compared as (
    -- a response's number in the CSV and its id in the API have nothing in common: known is who answered
    -- which question in which minute, or, where nobody is named, what. The answer itself would not do, as
    -- the two write a comment or several choices in different ways.
    select
        *,
        bool_or(way_in = 'api') over same_answer as is_in_api,
        max(user_id) over same_answer as any_user_id
    from staging.survey_answers
    window same_answer as (
        partition by source, question, answered_us // 60000000, hotjar_user_id is null,
            coalesce(hotjar_user_id, answer)
    )
),
once as (
    select
        * exclude (user_id),
        case when hotjar_user_id is null then user_id else coalesce(user_id, any_user_id) end as user_id
    from compared
    where way_in = 'api' or not is_in_api
)
select
    a.source, moment(a.answered_us) as answered_at, a.response_number, a.hotjar_user_id, a.country, a.device,
    a.page, a.question, a.answer, a.user_id, key_text(u.user_number) as user_key, a.comment, a.question_type
from once as a
left join intermediate.user_ids as u on a.user_id = u.user_id
