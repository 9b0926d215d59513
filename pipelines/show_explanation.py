"""An explanation on the terminal: sections readable at 80 columns, the numbers in columns."""

from __future__ import annotations

import json

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from models.campaign_calendar import left_out_text
from models.headline import percent
from pipelines.explain_causes import Cause
from pipelines.explain_instead import Deed, Instead
from pipelines.explain_siblings import SiblingTable
from pipelines.explain_sources import Witness
from pipelines.explain_voices import Voices
from pipelines.explaining import Explanation
from pipelines.finding_words import counted
from pipelines.show_lines import text_line
from pipelines.show_marks import loss_text, mark_lines
from pipelines.show_sql import narrow_sql

_TOP = 6
_MOST_SQL_LINES = 80


def explanation(each: Explanation) -> None:
    """One pain point in full."""
    console = Console(highlight=False)
    row, evidence = each.pain_point, json.loads(each.pain_point["evidence"])
    text_line(console, row["headline"], style="bold")
    since = row["started_on"] or f"standing, judged from {evidence['first_day']}"
    judged = (evidence.get("attempts", each.attempts), evidence.get("successes", each.successes))
    is_same = (each.attempts, each.successes) == judged
    what, is_slow = counted(row, evidence), row["kind"] == "slow"
    facts = {
        "id": f"{row['pain_point_id']}, {row['kind']}, {row['status']}",
        "where": f"{row['journey']}: {row['stage']} to {row['next_stage']}",
        "for whom": row["segment"] + (f", persona {row['persona']}" if row["persona"] != "default" else ""),
        "since": f"{since}; first seen {row['first_seen']}, in the list on {each.nights} nights",
        "counts": what.sentence(each.attempts, each.successes)
        + (f", ideal {percent(row['ideal'])}" if row["ideal"] is not None else "")
        + ("" if is_same else f"; {judged[1]:,} of {judged[0]:,} when it was judged"),
        "how sure": f"q = {row['q_value']:.1e}"
        + (", provisional: little history" if row["provisional"] else ""),
        "cost": each.assumption if row["kind"] == "slow" else f"{loss_text(row)}; {each.assumption}",
        "beside it": ", ".join(evidence.get("goes_with", ()))
        and f"conversion fell here for the same people: {', '.join(evidence.get('goes_with', ()))}",
        "left out": left_out_text(evidence.get("days_left_out", {})).removesuffix(" left out"),
        "owner": row["owner"] or "nobody is named in the journey file",
        "tasks": "; ".join(each.tasks) or "none in the journey file",
    }
    for name, text in facts.items():
        if not text:
            continue
        text_line(console, str(text), 10, first=Text(name, "cyan"))
    for line in mark_lines(row):
        text_line(console, line, 10, first=Text("mark", "cyan"))
    _siblings(console, each.siblings, what.did)
    _causes(console, each.causes)
    if each.instead is not None:
        _instead(console, each.instead)
    if each.voices is not None:
        _voices(console, each.voices, row["stage"])
    if each.sources is not None:
        _sources(console, each.sources, row["next_stage"])
    _section(console, "Example users, the latest " + ("late" if is_slow else "lost"))
    for lost in each.lost_attempts:
        _line(console, f"{lost.user_key}  {lost.entered_at}  {lost.path}")
    if not each.lost_attempts:
        _line(console, "none")
    _sql(console, "SQL of the counts, on painpoints.duckdb:", row["sql"])
    _sql(console, "SQL of all who were " + ("late:" if is_slow else "lost:"), each.lost_sql)


def _section(console: Console, title: str) -> None:
    console.print()
    text_line(console, title, style="bold")


def _line(console: Console, text: str, style: str = "") -> None:
    text_line(console, text, 2, style=style)


def _siblings(console: Console, tables: tuple[SiblingTable, ...], did: str) -> None:
    own = [table for table in tables if not table.is_inside]
    shown = own or list(tables)
    if not shown:
        return
    _section(
        console,
        "Siblings" if own else "Who is in it",
    )
    for table in shown:
        _line(console, f"{table.column}, share that {did} (90 % interval):")
        for each in table.siblings[: None if own else _TOP]:
            value = "(none)" if each.value is None else each.value
            mark = ">" if each.is_own else " "
            _line(
                console,
                f"{mark} {value[:26]:<26} {percent(each.rate):>7} "
                f"({percent(each.low)} to {percent(each.high)})"
                f"  {each.successes:,} of {each.attempts:,}",
                "bold" if each.is_own else "",
            )
        if table.left_out:
            _line(console, f"  and {table.left_out} rarer values", "dim")


def _causes(console: Console, causes: tuple[Cause, ...]) -> None:
    if not causes:
        return
    _section(console, "Which segment explains the fall best")
    for each in causes:
        mark = ">" if each.is_own else " "
        often = f"fails {each.factor:.2g} times as often as usual"
        _line(
            console,
            f"{mark} {percent(each.belief):>6} {each.segment}: {often}",
            "bold" if each.is_own else "",
        )


def _instead(console: Console, instead: Instead) -> None:
    beside = f", beside {instead.compared_with} ({instead.others:,})" if instead.compared_with else ""
    _section(console, f"What they did after it: {instead.attempts:,} attempts{beside}")
    if not instead.attempts:
        _line(console, "the time of those who came since is not over yet")
    for each in instead.next[:_TOP]:
        _line(console, _deed(f"next: {each.what}", each))
    for each in instead.further:
        if each.count or each.others_count:
            _line(console, _deed(each.what, each))
    if instead.compared_with:
        _line(console, "* differs by more than chance, at 90 %", "dim")


def _deed(text: str, each: Deed) -> str:
    beside = "" if each.others_share is None else f"  others {percent(each.others_share):>6}"
    return f"{text[:48]:<48} {percent(each.share):>7}{beside}{' *' if each.differs else ''}"


def _voices(console: Console, voices: Voices, stage: str) -> None:
    felt = voices.felt
    _section(console, f"What they said and felt at {stage}")
    if not voices.pages:
        _line(console, "no page belongs to this stage, so no survey or recording can be laid beside it")
        return
    if felt.recordings:
        text = f"{felt.with_rage:,} of {felt.recordings:,} recordings that ended there have rage clicks"
        if felt.compared_with:
            text += f"; {felt.compared_with}: {felt.others_with_rage:,} of {felt.others_recordings:,}"
            text += ", which differs" if felt.differs else ", no more than chance"
        _line(console, text)
    for answer in voices.answers:
        _line(console, f"{answer.day} {answer.device or ''} {answer.page or ''}: “{answer.answer}”")
    more = voices.answer_count - len(voices.answers)
    if more > 0:
        _line(console, f"and {more} more answers, in marts.survey_answers", "dim")
    if not voices.answer_count:
        _line(console, "nobody answered a survey there in these days", "dim")


def _sources(console: Console, sources: tuple[Witness, ...], next_stage: str) -> None:
    _section(console, "Do the sources agree")
    for each in sources:
        _line(
            console,
            f"{each.source} tells of {next_stage} as “{each.event_name}”: of the people both know it saw "
            f"{each.confirmed:,} of {each.arrivals:,} arrive (before: {each.confirmed_before:,} of "
            f"{each.arrivals_before:,}), and {each.seen_lost:,} of the {each.lost:,} lost. It {each.verdict}",
        )
    if not sources:
        _line(console, "no other source tells of this stage")


def _sql(console: Console, title: str, sql: str) -> None:
    lines = narrow_sql(sql, console.width).split("\n")
    console.print()
    text_line(console, title, style="cyan")
    shown = Syntax("", "sql", background_color="default").highlight("\n".join(lines[:_MOST_SQL_LINES]))
    console.print(shown, soft_wrap=True, end="")
    if len(lines) > _MOST_SQL_LINES:
        _line(console, f"... {len(lines) - _MOST_SQL_LINES:,} more lines; --json has them all", "dim")
