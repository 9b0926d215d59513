-- One row per source, day, page and device on which Hotjar saw somebody leave or answer: friction and what people said, side by side.
-- source: name of the source in painpoints.toml
-- day: day in the workspace's time zone
-- page: path of the page; a recording belongs to its last page, an answer to the page it was given on
-- device: desktop, mobile or tablet
-- recordings: recordings that ended on the page
-- rage_clicks: bursts of angry clicks in them, on whichever of their pages
-- u_turns: pages left again at once in them
-- recordings_with_rage: recordings with at least one burst of angry clicks
-- survey_answers: answered survey questions
-- scores: answers from 0 to 10 to an NPS question; only the API says which questions are
-- low_scores: those of them from 0 to 6
with observed as (
    select
        r.source, local_day(r.recorded_us, c.timezone) as day, r.exit_page as page, r.device,
        1 as recordings,
        coalesce(r.rage_clicks, 0) as rage_clicks,
        coalesce(r.u_turns, 0) as u_turns,
        case when r.rage_clicks > 0 then 1 else 0 end as recordings_with_rage,
        0 as survey_answers, 0 as scores, 0 as low_scores
    from staging.recordings as r
    cross join config.settings as c
),
said as (
    select
        a.source, local_day(epoch_us(a.answered_at), c.timezone) as day, a.page, a.device,
        0 as recordings, 0 as rage_clicks, 0 as u_turns, 0 as recordings_with_rage,
        1 as survey_answers,
        case when a.question_type = 'nps' and try_cast(a.answer as integer) between 0 and 10
            then 1 else 0 end as scores,
        case when a.question_type = 'nps' and try_cast(a.answer as integer) between 0 and 6
            then 1 else 0 end as low_scores
    from marts.survey_answers as a
    cross join config.settings as c
),
together as (
    select * from observed
    union all
    select * from said
)
select
    source, day, page, device,
    sum(recordings)::bigint as recordings,
    sum(rage_clicks)::bigint as rage_clicks,
    sum(u_turns)::bigint as u_turns,
    sum(recordings_with_rage)::bigint as recordings_with_rage,
    sum(survey_answers)::bigint as survey_answers,
    sum(scores)::bigint as scores,
    sum(low_scores)::bigint as low_scores
from together
group by source, day, page, device
