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
select
    source, moment(recorded_us) as recorded_at, recording_url, hotjar_user_id, country, device, browser,
    os, landing_page, exit_page, duration_seconds, page_count, action_count, rage_clicks, u_turns
from staging.recordings
