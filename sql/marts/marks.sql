-- One row per mark that somebody set on a pain point, or took back. Marks outlive the findings and every rebuild.
-- mark_number: counts all marks from 1, in the order they were set
-- pain_point_id: the pain point
-- mark: acknowledged, snoozed or fixed; NULL takes the mark before it back
-- marked_at: when it was set, UTC
-- mark_until: the day a snoozed one comes back; NULL for other marks
-- mark_note: what was said with it
-- fixed_on: the day the fix went live; NULL unless fixed
-- is_current: whether it is the newest mark of its pain point
-- fix_verdict: of a current fixed one: fix works, fix did not show, too early, came back, or cannot be judged
-- fix_evidence: the counts before and after the fix with their intervals, JSON
with numbered as (
    select
        *,
        row_number() over (partition by pain_point_id order by mark_number desc) as place
    from state.marks
),
judged as (
    select
        m.mark_number, m.pain_point_id, m.mark, m.marked_at, m.mark_until, m.mark_note, m.fixed_on,
        m.place = 1 as is_current,
        r.fix_verdict,
        r.fix_evidence
    from numbered as m
    left join state.fix_reviews as r
        on m.pain_point_id = r.pain_point_id and m.place = 1 and m.mark = 'fixed'
)
select * from judged
