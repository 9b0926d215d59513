-- One row per source, day and event name whose count a vendor's own report gives beside ours. Empty while all sources are files.
-- source: name of the source in painpoints.toml
-- day: day of the source
-- event_name: event
-- our_count: events we hold
-- vendor_count: events the vendor reports
-- difference: ours less the vendor's
-- reason: why they may differ
select * from state.reconciliation
