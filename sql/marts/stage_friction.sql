-- One row per journey, stage, day, source and what a recording knows of its visitor: how recordings ended that ended in the stage. Leaf grain, no totals. Recordings know no attempt; n is recordings that got that far.
-- journey: name of the journey
-- stage: the stage that most events of the recording's exit page belong to
-- stage_number: its place in the ideal order, from 1
-- source: source of the recordings in painpoints.toml
-- day: day in the workspace's time zone
-- device: desktop, mobile or tablet
-- os: operating system
-- browser: browser
-- country: country, as the recordings' source writes it
-- recordings: recordings that ended on a page of the stage
-- recordings_with_rage: of these, with at least one burst of angry clicks
-- recordings_with_u_turns: of these, with at least one page left again at once
-- rage_clicks: bursts of angry clicks in them, on whichever of their pages
-- u_turns: pages left again at once in them
with placed as (
    select
        j.journey, s.stage, s.stage_number, r.source,
        local_day(r.recorded_us, c.timezone) as day,
        r.device, r.os, r.browser, r.country,
        coalesce(r.rage_clicks, 0) as rage_clicks,
        coalesce(r.u_turns, 0) as u_turns
    from staging.recordings as r
    inner join intermediate.page_stages as p on r.exit_page = p.page
    inner join config.journeys as j on p.journey_number = j.journey_number
    inner join config.stages as s
        on p.journey_number = s.journey_number and p.stage_number = s.stage_number
    cross join config.settings as c
),
counted as (
    select
        journey, stage, stage_number, source, day, device, os, browser, country,
        count(*) as recordings,
        count(*) filter (where rage_clicks > 0) as recordings_with_rage,
        count(*) filter (where u_turns > 0) as recordings_with_u_turns,
        sum(rage_clicks)::bigint as rage_clicks,
        sum(u_turns)::bigint as u_turns
    from placed
    group by journey, stage, stage_number, source, day, device, os, browser, country
)
select * from counted
