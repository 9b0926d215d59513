-- One row per answered survey question, word for word.
-- source: name of the source in painpoints.toml
-- answered_at: when, UTC
-- response_number: number of the response in the export
-- hotjar_user_id: Hotjar's own user id; it joins with no other source
-- country: country
-- device: desktop, mobile or tablet
-- page: path of the page it was answered on
-- question: the question
-- answer: the answer, as typed
select
    source, moment(answered_us) as answered_at, response_number, hotjar_user_id, country, device, page,
    question, answer
from staging.survey_answers
