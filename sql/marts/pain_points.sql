-- One row per pain point of the last night: where conversion stalls, for whom, since when, what it costs and who owns the fix. Resolved ones stay 14 days.
-- pain_point_id: stable from night to night
-- kind: below_ideal (below the ideal of the journey file), regression (below its own past), slow, detour or friction
-- journey: name of the journey
-- persona: persona of the attempts
-- stage: the stage at which people stall
-- next_stage: the stage they fail to reach
-- segment: who: all, or for example channel=paid & device=mobile
-- segment_filter: the segment as a SQL predicate on the tables of this schema
-- status: new, ongoing, worsening, recovering, resolved or reopened
-- first_seen: night it was first found
-- started_on: estimated day of the change; NULL for standing gaps
-- last_seen: last night whose evidence found it
-- attempts: attempts that reached the stage since it started (standing gaps: in 28 days) and are over; of friction, recordings or survey scores
-- observed: share of them that reached the next stage, in [0,1]; of detours and friction, that show it; of slow, seconds
-- expected: share expected from the past, or the ideal
-- ideal: the ideal of the journey file, NULL where it sets none
-- lost_conversions: goal conversions lost since it started, standing gaps over the last 28 days; NULL for friction
-- lost_low: lower end of its 90 % interval
-- lost_high: upper end of its 90 % interval
-- lost_per_week: goal conversions lost per week
-- lost_value: lost conversions times the mean order value, in `currency`
-- currency: currency of the money columns
-- q_value: Benjamini-Hochberg q-value of the night
-- owner: who is in charge of the stage
-- headline: one sentence
-- evidence: the numbers behind it, JSON
-- sql: a query on this file that returns attempts and successes
-- lost_value_low: lower end of the 90 % interval of lost_value
-- lost_value_high: upper end of the 90 % interval of lost_value
-- provisional: whether there was less history than the method wants
-- mark: what somebody said of it with `painpoints mark`: acknowledged, snoozed or fixed; NULL without
-- marked_at: when that was said, UTC
-- mark_until: the day a snoozed one comes back
-- mark_note: what was said with it
-- fixed_on: the day the fix went live, as said
-- fix_verdict: of a fixed one: fix works, fix did not show, too early, came back, or cannot be judged
-- fix_evidence: the counts before and after the fix with their intervals, JSON
with last_night as (
    select max(night) as night from state.nights
),
current_findings as (
    select h.* exclude (night)
    from state.pain_point_history as h
    inner join last_night as n on h.night = n.night
    -- the state remembers them longer, so that their old days are not told as news
    where h.status <> 'resolved' or h.night - h.last_seen <= 14
),
marked as (
    select
        f.*, m.mark, m.marked_at, m.mark_until, m.mark_note, m.fixed_on, m.fix_verdict, m.fix_evidence
    from current_findings as f
    left join marts.marks as m
        on f.pain_point_id = m.pain_point_id and m.is_current and m.mark is not null
)
select * from marked
