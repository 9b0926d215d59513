"""How people moved between stages, beside the ideal order, and the most common paths."""

from __future__ import annotations

from datetime import date

from models.journey import Journey
from pipelines.report_marts import Marts
from pipelines.report_views import Flow, FlowNode, Move, PathRow

MOST_PATHS = 10


def read_flow(
    marts: Marts, journey: Journey, persona: str | None, first: date | None, last: date | None
) -> Flow:
    """All moves of the attempts in ``report_visits``, of a persona or of everyone."""
    stages = journey.stages_of(persona) if persona else journey.stages
    nodes = {
        name: FlowNode(name, visits, began, ended, name == journey.goal.name)
        for name, visits, began, ended in marts.rows(
            "select stage, count(*), count(*) filter (is_opening), "
            "count(*) filter (next_visit is null) from report_visits "
            "where ($persona is null or persona = $persona) group by stage",
            persona=persona,
        )
    }
    # a persona's stages are fewer, but people may visit the others all the same
    shown = [stage for stage in journey.stages if stage in stages or stage.name in nodes]
    order = {stage.name: place for place, stage in enumerate(shown)}
    optional = {stage.name for stage in journey.stages if stage.optional or stage not in stages}
    moves = []
    for start, end, count in marts.rows(
        "select stage, next_visit, count(*) as moves from report_visits where next_visit is not null "
        "and ($persona is null or persona = $persona) group by stage, next_visit "
        "order by moves desc, stage, next_visit",
        persona=persona,
    ):
        if start not in order or end not in order:
            continue  # a stage that the journey file no longer has
        between = shown[order[start] + 1 : order[end]]
        kind = "skip" if any(each.name not in optional for each in between) else "ideal"
        ahead = order[end] - order[start]
        moves.append(Move(start, end, count, kind if ahead > 0 else "back" if ahead else "again"))
    ((attempts, kept),) = marts.rows(
        "select count(*), count(*) filter (fitness >= 1) from marts.attempts where journey = $journey "
        "and entry_date between $first and $last and ($persona is null or persona = $persona)",
        journey=journey.name,
        first=first,
        last=last,
        persona=persona,
    )
    return Flow(
        tuple(nodes.get(stage.name, FlowNode(stage.name, 0, 0, 0, stage == journey.goal)) for stage in shown),
        tuple(moves),
        attempts,
        kept,
    )


def read_paths(marts: Marts, journey: Journey) -> tuple[tuple[PathRow, ...], int]:
    """The most common paths, and the attempts of all."""
    rows = marts.rows(
        "select path, attempts, converted, median_seconds, sum(attempts) over ()::bigint "
        "from marts.stage_paths where journey = $journey order by attempts desc, path limit $most",
        journey=journey.name,
        most=MOST_PATHS,
    )
    numbers = {stage.name: stage.number for stage in journey.stages}
    paths = []
    for path, attempts, converted, seconds, _ in rows:
        stages = tuple(path.split(">"))
        furthest = max((numbers.get(name, 0) for name in stages), default=0)
        skipped = tuple(
            stage.name
            for stage in journey.stages
            if not stage.optional and stage.number < furthest and stage.name not in stages
        )
        loops = len(stages) - len(set(stages))
        places = [numbers.get(name, 0) for name in stages]
        is_ideal = not skipped and places == sorted(set(places))
        paths.append(PathRow(stages, attempts, converted, seconds, loops, skipped, is_ideal))
    return tuple(paths), rows[0][4] if rows else 0
