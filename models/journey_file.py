"""Read a journey's YAML file; every error names file, line and key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from models.journey import Journey
from models.journey_schema import build_journey


class JourneyError(Exception):
    """A journey file that cannot be used: file, line, key, what is wrong."""

    def __init__(self, path: Path | str, line: int, key: str, what: str) -> None:
        self.path, self.line, self.key, self.what = str(path), line, key, what
        super().__init__(f"{path}, line {line}{f', {key}' if key else ''}: {what}")


def read_journeys(folder: Path) -> tuple[Journey, ...]:
    """All journeys of a folder, by file name. Raises JourneyError."""
    paths = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not paths:
        raise JourneyError(folder, 1, "", "no journey here; `painpoints init` writes examples")
    journeys: dict[str, Path] = {}
    found = []
    for path in paths:
        try:
            journey = parse_journey(path.read_text("utf-8"), path)
        except UnicodeDecodeError as error:
            raise JourneyError(path, 1, "", f"the file is not UTF-8 text ({error})") from error
        if journey.name in journeys:
            what = f"{journey.name!r} is already the journey of {journeys[journey.name].name}"
            raise JourneyError(path, 1, "journey", what)
        journeys[journey.name] = path
        found.append(journey)
    return tuple(found)


def parse_journey(text: str, path: Path | str = "journey") -> Journey:
    """The journey that a YAML text describes. Raises JourneyError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            raise JourneyError(path, 1, "", "a journey file starts with `journey: <name>`")
        _refuse_repeated_keys(root, path)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise JourneyError(path, line, "", f"this is not YAML ({error.problem})") from error
    except yaml.YAMLError as error:
        raise JourneyError(path, 1, "", f"this is not YAML ({error})") from error
    try:
        journey = build_journey(data)
        stages = tuple(
            replace(stage, line=_line_of(root, ["stages", index]))
            for index, stage in enumerate(journey.stages)
        )
        return replace(journey, stages=stages, path=str(path))
    except ValidationError as error:
        # an unknown key explains a missing one: the usual cause is a typing error
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        keys: list[int | str] = [k for k in first["loc"] if not str(k).startswith("function-")]
        what = _MESSAGES.get(first["type"], first["msg"].removeprefix("Value error, "))
        if not keys and ": " in what:
            place, what = what.split(": ", 1)
            keys = [int(key) if key.isdigit() else key for key in place.split(".")]
        raise JourneyError(path, _line_of(root, keys), ".".join(map(str, keys)), what) from error


_MESSAGES = {
    "extra_forbidden": "this key is unknown here; check its spelling and its indentation",
    "missing": "this key is missing",
    "less_than_equal": "a share lies between 0 and 1; write 0.45 for 45 %",
    "greater_than_equal": "a share lies between 0 and 1; write 0.45 for 45 %",
}


def _line_of(node: yaml.Node, keys: list[int | str]) -> int:
    """The line (from 1) of the deepest node on the way along ``keys``."""
    line = node.start_mark.line + 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _refuse_repeated_keys(node: yaml.Node, path: Path | str) -> None:
    # PyYAML keeps the last of two equal keys without a word
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise JourneyError(path, key.start_mark.line + 1, "", "a key must be a plain text")
            if key.value in seen:
                what = "this key is written twice"
                raise JourneyError(path, key.start_mark.line + 1, str(key.value), what)
            seen.add(key.value)
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _refuse_repeated_keys(child, path)
