-- One row per journey, required stage and day on which people reached the stage after it without having been there.
-- Of the attempts that first reached the stage after next that day, skipped never visited the stage between.
-- usual_share: the median day's share over the six weeks before. is_jump: at least 20 attempts and 14 days before,
-- skipped by 40 % of them and by 30 points more than usual, more than six sigma: of the binomial, as the arcsine root
-- 2 sqrt(n) (asin sqrt(p) - asin sqrt(q)) > 6 (Anscombe 1948), and of how much the days before differed (1.4826 MAD).
with pairs as (
    -- the stage between (b) and the one behind it (c); people without b before them skip nothing
    select
        b.journey_number, b.persona, b.stage_number, b.next_stage_number as behind_number
    from config.persona_stages as b
    inner join config.persona_stages as a
        on b.journey_number = a.journey_number and b.persona = a.persona
        and b.stage_number = a.next_stage_number
    where b.next_stage_number is not null
),
arrived as (
    select
        p.journey_number, p.stage_number, c.day,
        sum(c.arrived)::bigint as arrived,
        sum(c.missed)::bigint as skipped
    from intermediate.stage_arrivals as c
    inner join pairs as p
        on c.journey_number = p.journey_number and c.persona = p.persona
        and c.stage_number = p.behind_number
    group by p.journey_number, p.stage_number, c.day
),
shared as (
    select *, skipped / arrived as share from arrived
),
compared as (
    select
        *,
        median(share) over before as usual_share,
        count(*) over before as days_before
    from shared
    window before as (
        partition by journey_number, stage_number order by day rows between 42 preceding and 1 preceding
    )
),
spread as (
    select
        *,
        1.4826 * median(abs(share - usual_share)) over (
            partition by journey_number, stage_number order by day
            rows between 42 preceding and 1 preceding
        ) as sigma
    from compared
)
select
    *,
    arrived >= 20 and days_before >= 14 and share >= 0.4 and share >= usual_share + 0.3
        and share >= usual_share + 6 * coalesce(sigma, 0)
        and 2 * sqrt(arrived) * (asin(sqrt(share)) - asin(sqrt(usual_share))) > 6 as is_jump
from spread
