"""The results as plain tables of text."""

from __future__ import annotations

from collections.abc import Sequence

from contenders import CONTENDERS
from measured import Measured

_HEAD = ("contender", "seconds", "times ours", "cpu s", "peak GB", "sessions", "rows differing")


def print_results(results: Sequence[Measured], ours: str) -> None:
    """One line per contender; ``times ours`` is its wall time divided by ours."""
    base = next((each.seconds for each in results if each.name == ours), None)
    print()
    print(f"{_HEAD[0]:<18}{_HEAD[1]:>10}{_HEAD[2]:>12}{_HEAD[3]:>9}{_HEAD[4]:>9}{_HEAD[5]:>12}{_HEAD[6]:>16}")
    for each in results:
        if each.problem:
            print(f"{each.name:<18}  {each.problem}")
            continue
        name = each.name if each.share >= 1 else f"{each.name} *"
        times = each.seconds / base if base and each.seconds is not None else None
        print(
            f"{name:<18}{_number(each.seconds, 1):>10}{_number(times, 2):>12}"
            f"{_number(each.cpu_seconds, 0):>9}{_number(each.peak_gb, 2):>9}"
            f"{_number(each.sessions, 0):>12}{_number(each.differing, 0):>16}"
        )
    for each in results:
        if each.share < 1 and not each.problem:
            print(f"* {each.name} got {each.share:.0%} of the users: its seconds are scaled up")
    for each in results:
        if CONTENDERS[each.name].note and not each.problem:
            print(f"  {each.name}: {CONTENDERS[each.name].note}")
    for each in results:
        if each.parts:
            parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in each.parts.items())
            print(f"  {each.name}: {parts} s ({_versions(each)})")
    reached = next((each.reached for each in results if each.reached and each.share >= 1), None)
    if reached:
        print(f"  sessions that reached each step: {', '.join(f'{n:,}' for n in reached)}")


def print_profile(results: Sequence[Measured], most: int = 60) -> None:
    """Seconds and rows of each table that our builds made, slowest first."""
    for each in results:
        print(f"\n{each.name}: seconds per table")
        for name, seconds, rows in each.tables[:most]:
            print(f"{seconds:>9.2f}  {name:<42}{_number(rows, 0) if rows >= 0 else '':>14}")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _versions(each: Measured) -> str:
    return ", ".join(f"{name} {version}" for name, version in each.versions.items())
