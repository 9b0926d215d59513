-- One row per remark that is no pain point but explains: for stages without a finding, the smallest drop that would have been seen.
-- night: the last day whose data the night saw
-- kind: quiet_stage
-- journey: name of the journey
-- persona: persona
-- stage: the stage
-- next_stage: the next required stage
-- segment: who
-- note: the remark
select * from state.notes
