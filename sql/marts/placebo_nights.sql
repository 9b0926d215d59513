-- One row per judged night: how often random groups of users were blamed, beside how often chance would. What is far above chance says that this shop varies in a way the scan does not know of, and its findings deserve doubt.
-- night: the last day whose data the night saw
-- comparisons: a random group against the others at one transition, over a week, where there were enough people
-- looked_low: of these, with a one-sided p-value of at most 5 %
-- looked_low_by_chance: how many of them chance would give
-- blamed: groups that would have been told as a fall, at the level of findings
-- blamed_by_chance: how many of them chance would give at the most
select night, comparisons, looked_low, looked_low_by_chance, blamed, blamed_by_chance
from state.placebo_nights
