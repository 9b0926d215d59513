-- One row per session that says where it came from: the first of its events that does.
with told as (
    select
        k.session_number,
        e.event_us, e.event_seq, e.event_number,
        e.given_channel, e.source_name, e.medium, e.campaign
    from staging.events as e
    inner join intermediate.keyed_events as k on e.event_number = k.event_number
    where k.session_number is not null
        and (e.medium is not null or e.source_name is not null or e.given_channel is not null)
),
numbered as (
    select
        *,
        row_number() over (
            partition by session_number order by event_us, event_seq, event_number
        ) as place
    from told
),
first_told as (
    select session_number, given_channel, source_name, medium, campaign from numbered where place = 1
)
select * from first_told
