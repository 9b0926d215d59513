-- One row per event that counts: the canonical event of every source. Exact duplicates and repeated purchases are gone; tracking_health counts them.
-- source: name of the source in painpoints.toml
-- event_id: digest of what identifies the event, the same on every engine
-- user_key: the person, stitched across devices and sources; NULL where nothing identifies anybody
-- device_id: the vendor's device or browser id
-- user_id: the id the shop gave the user, NULL while logged out
-- event_at: when it happened, UTC, to the microsecond
-- event_seq: the vendor's order inside one timestamp, 0 where it has none
-- event_name: the vendor's event name, as received
-- page: path of the page, without host and query
-- session_id: session it belongs to, NULL without a user
-- vendor_session_id: the vendor's own session id, NULL where it has none
-- device: desktop, mobile, tablet, or as the vendor says
-- os: operating system
-- browser: browser
-- country: country, as the vendor writes it
-- channel: GA4's default channel group of the session
-- medium: traffic medium of the session
-- source_name: traffic source of the session
-- campaign: campaign of the session
-- is_new_user: whether it belongs to the user's first visit, as far as the vendor knows
-- value: money of the event in `currency`; negative for refunds
-- currency: currency of `value`; NULL means the workspace's
-- transaction_id: order number, NULL where it is empty or a placeholder
-- properties: all parameters of the event, JSON
-- materialized: view
select
    e.source,
    key_text(e.event_number) as event_id,
    key_text(e.user_number) as user_key,
    e.device_id,
    e.user_id,
    moment(e.event_us) as event_at,
    e.event_seq,
    e.event_name,
    e.page,
    key_text(e.session_number) as session_id,
    e.vendor_session_id,
    e.device,
    e.os,
    e.browser,
    e.country,
    e.channel,
    e.medium,
    e.source_name,
    e.campaign,
    e.is_new_user,
    e.value,
    e.currency,
    e.transaction_id,
    e.properties::json as properties
from intermediate.events as e
