-- One row per remark that is no pain point but explains: for stages without a finding, the smallest drop that would have been seen; traffic without customers; shifts of the mix; days that the calendar of the config names.
-- night: the last day whose data the night saw
-- kind: quiet_stage, traffic, mix_shift or calendar
-- journey: name of the journey
-- persona: persona; NULL for a remark on the whole journey
-- stage: the stage; NULL for a remark on the whole journey
-- next_stage: the next required stage
-- segment: who
-- note: the remark
select * from state.notes
