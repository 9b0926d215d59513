"""The words of an alert: a message for a receiver, and the night's file in Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from pipelines.alerts_choice import WORDS, News
from pipelines.night_summary import escaped, one_line

SHOWN = 20
_TITLES = {"broken": "Broken tracking", "new": "New", "worsening": "Worsening", "resolved": "Resolved"}
# What a campaign or a page was called reaches people's channels: no mention, link, tag or code in it.
_PLAIN = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "`": "'", "@": "@\u200b"})


def subject_of(night: date, news: Sequence[News]) -> str:
    """The first line: how many of what."""
    counts = ((sum(each.what == what for each in news), what) for what in WORDS)
    names = {"broken": "tracking broken"}
    said = ", ".join(f"{count} {names.get(what, what)}" for count, what in counts if count)
    return f"painpoints, night of {night}: {said}"


def message(news: Sequence[News], link: str | None) -> str:
    """Plain text: broken tracking first, then a digest an owner."""
    lines = _section("Broken tracking", [each for each in news if each.what == "broken"])
    for owner in owners_of(news):
        own = [each for each in news if each.owner == owner and each.what != "broken"]
        lines += _section(owner, own, words=True)
    if link:
        lines.append(link)
    return "\n".join(lines).strip() + "\n"


def _section(title: str, news: Sequence[News], *, words: bool = False) -> list[str]:
    if not news:
        return []
    ordered = sorted(news, key=lambda each: WORDS.index(each.what))
    lines = [f"{plain(title)}:"]
    for each in ordered[:SHOWN]:
        word = f"{_TITLES[each.what]}: " if words else ""
        lines.append(f"- {word}{plain(each.text)}")
    if len(ordered) > SHOWN:
        lines.append(f"- and {len(ordered) - SHOWN} more")
    return [*lines, ""]


def owners_of(news: Sequence[News]) -> list[str]:
    """The owners of findings, in the order of their first."""
    return list(dict.fromkeys(each.owner for each in news if each.what != "broken"))


def plain(text: str) -> str:
    """Text on one line in which no messenger finds a mention, a link or markup of its own."""
    return one_line(text).translate(_PLAIN)


def as_markdown(night: date, news: Sequence[News]) -> str:
    """The night's alerts for those without a messenger."""
    lines = [f"# Alerts of the night of {night}", ""]
    broken = [each for each in news if each.what == "broken"]
    if broken:
        lines += ["## Broken tracking", "", *(f"- {escaped(each.text)}" for each in broken), ""]
    for owner in owners_of(news):
        lines += [f"## {escaped(owner)}", ""]
        own = [each for each in news if each.owner == owner and each.what != "broken"]
        for each in sorted(own, key=lambda one: WORDS.index(one.what)):
            lines.append(f"- **{_TITLES[each.what]}**: {escaped(each.text)}")
        lines.append("")
    if not news:
        lines += ["Nothing new, nothing worse, nothing resolved.", ""]
    return "\n".join(lines)


def as_json(night: date, news: Sequence[News]) -> dict[str, Any]:
    """The same as data: ``tracking`` and a digest an owner."""
    return {
        "night": night.isoformat(),
        "tracking": [each.text for each in news if each.what == "broken"],
        "digests": [
            {
                "owner": owner,
                "news": [
                    {"what": each.what, "pain_point_id": each.subject, "text": each.text}
                    for each in news
                    if each.owner == owner and each.what != "broken"
                ],
            }
            for owner in owners_of(news)
        ],
    }
