"""The rows of the cube that nights are judged by: each day that is looked at, and before them one."""

from __future__ import annotations

from datetime import date

import duckdb
import pandas as pd

# How many came of whom decides which slices are asked: of all days, but not of each. Ages stay apart, as the
# oldest tells when an attempt is over. The first day stays the first.
_QUERY = """
with begun as (
    select journey, persona, stage, next_stage, min(reached_date) as first_date
    from marts.stage_cohorts
    group by journey, persona, stage, next_stage
),
old as (
    select
        c.* exclude (
            stage_number, reached_date, median_seconds, within_ideal,
            attempts, converted, value, seconds, skipped, looped, backtracked
        ),
        b.first_date as reached_date,
        sum(c.attempts) as attempts, sum(c.converted) as converted, sum(c.value) as value,
        sum(c.seconds) as seconds,
        sum(c.skipped) as skipped, sum(c.looped) as looped, sum(c.backtracked) as backtracked
    from marts.stage_cohorts as c
    inner join begun as b
        on c.journey = b.journey and c.persona = b.persona
        and c.stage = b.stage and c.next_stage = b.next_stage
    where c.reached_date < $since
    group by all
)
select * from old
union all by name
select * exclude (stage_number, median_seconds, within_ideal) from marts.stage_cohorts
where reached_date >= $since
"""


def read_cohorts(connection: duckdb.DuckDBPyConnection, since: date) -> pd.DataFrame:
    """Rows like those of marts.stage_cohorts, for :func:`models.cohort_table.cohort_cubes`.

    What was reached before ``since`` is told of the first day of its transition.
    """
    return connection.execute(_QUERY, {"since": since}).df()
