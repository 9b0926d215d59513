-- One row per journey, stage, source, day and what a recording or an answer knows of its visitor: how recordings ended that ended in the stage, and what surveys answered there scored. Leaf grain, no totals. Neither knows an attempt; recordings is how many got that far.
-- journey: name of the journey
-- stage: the stage that most events of the page belong to: of a recording its exit page, of an answer the page it was given on
-- stage_number: its place in the ideal order, from 1
-- source: source of the recordings and answers in painpoints.toml
-- day: day in the workspace's time zone
-- device: desktop, mobile or tablet
-- os: operating system; NULL for answers
-- browser: browser; NULL for answers
-- country: country, as its source writes it: recordings its name, answers from the API its code
-- recordings: recordings that ended on a page of the stage
-- recordings_with_rage: of these, with at least one burst of angry clicks
-- recordings_with_u_turns: of these, with at least one page left again at once
-- rage_clicks: bursts of angry clicks in them, on whichever of their pages
-- u_turns: pages left again at once in them
-- answers: scores given on a page of the stage to questions whose scale is known: NPS (0 to 10) and ratings from 1 to 5
-- bad_answers: of these, 0 to 6 of an NPS question, 1 or 2 of a rating
with felt as (
    select
        source, recorded_us as at_us, exit_page as page, device, os, browser, country,
        1 as recordings,
        coalesce(rage_clicks, 0) as rage_clicks,
        coalesce(u_turns, 0) as u_turns,
        0 as answers, 0 as bad_answers
    from staging.recordings
),
scored as (
    select
        source, epoch_us(answered_at) as at_us, page, device, country, question_type,
        try_cast(trim(answer) as integer) as score
    from marts.survey_answers
    where question_type in ('nps', 'rating-1-5')
),
said as (
    select
        source, at_us, page, device, null::varchar as os, null::varchar as browser, country,
        0 as recordings, 0 as rage_clicks, 0 as u_turns,
        1 as answers,
        case when score <= case when question_type = 'nps' then 6 else 2 end then 1 else 0 end as bad_answers
    from scored
    where (question_type = 'nps' and score between 0 and 10)
        or (question_type = 'rating-1-5' and score between 1 and 5)
),
together as (
    select * from felt
    union all
    select * from said
),
placed as (
    select
        j.journey, s.stage, s.stage_number, local_day(t.at_us, c.timezone) as day, t.* exclude (at_us, page)
    from together as t
    inner join intermediate.page_stages as p on t.page = p.page
    inner join config.journeys as j on p.journey_number = j.journey_number
    inner join config.stages as s
        on p.journey_number = s.journey_number and p.stage_number = s.stage_number
    cross join config.settings as c
),
counted as (
    select
        journey, stage, stage_number, source, day, device, os, browser, country,
        sum(recordings)::bigint as recordings,
        count(*) filter (where rage_clicks > 0) as recordings_with_rage,
        count(*) filter (where u_turns > 0) as recordings_with_u_turns,
        sum(rage_clicks)::bigint as rage_clicks,
        sum(u_turns)::bigint as u_turns,
        sum(answers)::bigint as answers,
        sum(bad_answers)::bigint as bad_answers
    from placed
    group by journey, stage, stage_number, source, day, device, os, browser, country
)
select * from counted
