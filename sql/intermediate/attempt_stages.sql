-- One row per attempt and required stage of its persona that it reached: when, and the way to the next.
select
    a.journey_number, a.attempt_number, a.persona,
    s.stage_number, s.next_stage_number,
    t.entered_us[s.first_place] as entered_us,
    t.entered_us[s.advanced_place] as advanced_us,
    s.has_looped, s.has_backtracked, s.has_skipped
from intermediate.attempts as a
inner join intermediate.attempt_paths as t on a.attempt_number = t.attempt_number
inner join intermediate.path_stages as s
    on a.journey_number = s.journey_number and a.persona = s.persona and a.path_number = s.path_number
