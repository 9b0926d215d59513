-- One row per attempt of a journey by user: the openings that really open one, because no attempt is open then.
-- Whether an opening counts depends on the one before it. Openings are first cut into islands that start
-- where everything before is surely over; only inside an island the chain is walked.
-- renewed by: user_number of openings
with recursive counted as (
    select journey_number, user_number, count(*) as openings
    from intermediate.openings
    group by journey_number, user_number
),
marked as (
    -- most people have one opening: it opens an attempt
    select
        o.*,
        max(o.free_us) over (
            partition by o.journey_number, o.user_number order by o.visit_number
            rows between unbounded preceding and 1 preceding
        ) as all_free_us
    from intermediate.openings as o
    inner join counted as c on o.journey_number = c.journey_number and o.user_number = c.user_number
    where c.openings > 1
),
islands as (
    select
        *,
        sum(case when all_free_us is null or session_started_us > all_free_us then 1 else 0 end) over (
            partition by journey_number, user_number order by visit_number
            rows between unbounded preceding and current row
        ) as island_number
    from marked
),
headed as (
    select
        *,
        min(visit_number) over (
            partition by journey_number, user_number, island_number
        ) as head_visit_number,
        max(entered_us) over (
            partition by journey_number, user_number, island_number
        ) as last_entered_us
    from islands
),
-- an island whose last opening is not after its head's end holds one attempt: nothing to walk
walked as (
    select h.*
    from headed as h
    inner join headed as first
        on h.journey_number = first.journey_number and h.user_number = first.user_number
        and h.head_visit_number = first.visit_number
    where h.last_entered_us > first.free_us
),
-- openings and the moments at which each lets the next one in, on one line of time
by_visit as (
    select journey_number, user_number, island_number, visit_number,
        entered_us as at_us, 0 as is_question from walked
    union all
    select journey_number, user_number, island_number, visit_number,
        free_us as at_us, 1 as is_question from walked where not converts
),
by_session as (
    select journey_number, user_number, island_number, visit_number,
        session_started_us as at_us, 0 as is_question from walked
    union all
    select journey_number, user_number, island_number, visit_number,
        free_us as at_us, 1 as is_question from walked where converts
),
answered as (
    select *, min(case when is_question = 0 then visit_number end) over (
        partition by journey_number, user_number, island_number
        order by at_us, is_question, visit_number rows between current row and unbounded following
    ) as next_visit_number from by_visit
    union all
    select *, min(case when is_question = 0 then visit_number end) over (
        partition by journey_number, user_number, island_number
        order by at_us, is_question, visit_number rows between current row and unbounded following
    ) as next_visit_number from by_session
),
hops as (
    select journey_number, user_number, visit_number, next_visit_number
    from answered
    where is_question = 1 and next_visit_number is not null
),
chain as (
    select journey_number, user_number, visit_number
    from headed
    where visit_number = head_visit_number
    union all
    select h.journey_number, h.user_number, h.next_visit_number
    from chain as c
    inner join hops as h
        on c.journey_number = h.journey_number and c.user_number = h.user_number
        and c.visit_number = h.visit_number
),
chosen as (
    select journey_number, user_number, visit_number from chain
    union all
    select o.journey_number, o.user_number, o.visit_number
    from intermediate.openings as o
    inner join counted as c on o.journey_number = c.journey_number and o.user_number = c.user_number
    where c.openings = 1
),
opened as (
    select
        o.*,
        key_of(concat_ws(
            '|', j.journey, o.user_number, o.entered_us, o.session_number, o.stage_number
        )) as attempt_number
    from intermediate.openings as o
    inner join chosen as c
        on o.journey_number = c.journey_number and o.user_number = c.user_number
        and o.visit_number = c.visit_number
    inner join config.journeys as j on o.journey_number = j.journey_number
)
select * from opened
