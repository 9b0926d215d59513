-- One row per Hotjar recording.
-- source: name of the source in painpoints.toml
-- recorded_at: start of the recording, UTC
-- recording_url: where to watch it
-- hotjar_user_id: Hotjar's own user id; it joins with no other source
-- country: country
-- device: desktop, mobile or tablet
-- browser: browser
-- os: operating system
-- landing_page: path of the first page
-- exit_page: path of the last page
-- duration_seconds: length
-- page_count: pages seen
-- action_count: clicks and keys
-- rage_clicks: bursts of angry clicks
-- u_turns: pages left again at once
-- user_id: the id the shop gave the user, where it was passed to Hotjar and user_id of the source names it
-- user_key: the person, as in events; NULL without a user_id, or where no event has it or it names nobody
select
    r.source, moment(r.recorded_us) as recorded_at, r.recording_url, r.hotjar_user_id, r.country, r.device,
    r.browser, r.os, r.landing_page, r.exit_page, r.duration_seconds, r.page_count, r.action_count,
    r.rage_clicks, r.u_turns, r.user_id, key_text(u.user_number) as user_key
from staging.recordings as r
left join intermediate.user_ids as u on r.user_id = u.user_id
