"""The figures as one table of text, or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from detection.summary import Measured

Row = tuple[str, str, str, int]  # volume, contender, kind, number of worlds

# figure, heading, digits, whether its standard error is shown
_SHOWN = (
    ("f1", "F1", 3, True),
    ("precision", "P", 2, False),
    ("recall", "R", 3, True),
    ("oracle_recall", "oracle R", 3, False),
    ("recall_of_oracle", "R/oracle", 3, True),
    ("localisation", "leaf F1", 3, True),
    ("new_false", "false/30 nights", 2, True),
    ("days", "days", 1, True),
    ("oracle_days", "oracle", 1, False),
    ("loss_error", "loss err", 3, True),
    ("coverage", "cover", 2, True),
    ("ever_found", "ever", 2, False),
    ("night_seconds", "s/night", 3, False),
)
_WIDTH = 14
_LEGEND = """\
F1, P, R: strict (same transition, same leaves), claims open on the last night. oracle R: of one that knows
place, day and usual rates, z > 4.5, same worlds. leaf F1: best claim at a plant's transition.
false/30 nights: new ids about no plant, on the last 30 nights. days: median from onset to the first strict
match, of the plants found (oracle: likewise). loss err, cover: of strict matches on drops, against the
expected loss that could show by the last night. ever: plants matched on some night.
± standard error over worlds (bootstrap). - nothing to measure."""


def print_table(rows: Mapping[Row, Mapping[str, Measured]]) -> None:
    """One line per volume, contender and kind."""
    kinds = max(len("kind"), *(len(kind) for _, _, kind, _ in rows)) + 2
    names = max(len("contender"), *(len(name) for _, name, _, _ in rows)) + 2
    print(
        f"{'volume':<8}{'contender':<{names}}{'kind':<{kinds}}{'worlds':>6}"
        + "".join(f"{heading:>{_width(heading, spread)}}" for _, heading, _, spread in _SHOWN)
    )
    for (volume, name, kind, worlds), figures in rows.items():
        cells = "".join(
            f"{_text(figures[figure], digits, spread):>{_width(heading, spread)}}"
            for figure, heading, digits, spread in _SHOWN
        )
        print(f"{volume:<8}{name:<{names}}{kind:<{kinds}}{worlds:>6}{cells}")
    print(f"\n{_LEGEND}")


def as_json(rows: Mapping[Row, Mapping[str, Measured]], seeds: str) -> str:
    """The same, and the figures the table leaves out; nothing to measure is null."""
    told = [
        {"volume": volume, "contender": name, "kind": kind, "worlds": worlds}
        | {figure: _number(each.value) for figure, each in figures.items()}
        | {f"{figure}_se": _number(each.error) for figure, each in figures.items()}
        for (volume, name, kind, worlds), figures in rows.items()
    ]
    return json.dumps({"seeds": seeds, "rows": told}, indent=1)


def _width(heading: str, spread: bool) -> int:
    return max(len(heading) + 2, _WIDTH if spread else 8)


def _text(figure: Measured, digits: int, spread: bool) -> str:
    if not math.isfinite(figure.value):
        return "-"
    text = f"{figure.value:.{digits}f}"
    return f"{text} ±{figure.error:.{digits}f}" if spread and math.isfinite(figure.error) else text


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
