"""``painpoints.toml`` as frozen objects; every error names file, line and key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from models.journey import Rule
from pipelines.alerts_settings import AlertSettings
from pipelines.calendar_settings import CalendarSettings
from pipelines.engine_settings import SPILL_FOLDER, EngineSettings
from pipelines.errors import ConfigError
from pipelines.exclusion import BUILT_IN, ExcludeRule, Excludes, parse_excluded
from pipelines.source_settings import (
    KINDS,
    SOURCE_TYPES,
    Duration,
    Frozen,
    Ga4Source,
    HotjarSource,
    MixpanelSource,
    SourceSettings,
    TableSource,
    Zone,
)

CONFIG_FILE = "painpoints.toml"


class SessionSettings(Frozen):
    """``inactivity``: a gap longer than this starts a new session, where the vendor has none."""

    inactivity: Duration = timedelta(minutes=30)


class DetectionSettings(Frozen):
    """How findings are judged; CONTRIBUTING.md says where the numbers come from.

    ``false_discovery_rate`` is the level of the Benjamini-Hochberg procedure of one night,
    ``margin`` the relative shortfall that is too small to matter, ``alpha`` the p-value, over all that is
    scanned in a night, below which a fall is told, ``replay_nights`` how many past nights are judged on
    the first connection. ``calendar`` are campaign and holiday days, which are left out.
    """

    false_discovery_rate: float = Field(default=0.0005, gt=0, lt=0.5)
    margin: float = Field(default=0.02, ge=0, lt=0.5)
    alpha: float = Field(default=0.001, gt=0, lt=0.5)
    replay_nights: int = Field(default=45, ge=0, le=400)
    calendar: tuple[CalendarSettings, ...] = ()


class RetentionSettings(Frozen):
    """How long things are kept, in days back from the newest landed one; None keeps them.

    ``raw_days``: what the vendors sent. ``event_days``: rows of events, sessions, attempts, recordings and
    answers. ``mart_days``: counts of days, and the history of findings and runs.
    """

    raw_days: int | None = Field(default=None, ge=1)
    event_days: int | None = Field(default=None, ge=1)
    mart_days: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _keeps_counts_longest(self) -> RetentionSettings:
        if self.mart_days is not None and self.mart_days < (self.event_days or 0):
            raise ValueError("mart_days is less than event_days: counts are kept at least as long as events")
        return self


class ExcludeRuleSettings(Frozen):
    """Events that one of ``match`` matches are left out and counted under ``name``."""

    name: str = Field(min_length=1, max_length=80)
    match: tuple[Annotated[Rule, BeforeValidator(parse_excluded)], ...] = Field(min_length=1)

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class ExcludeSettings(Frozen):
    """Bots and internal traffic. ``built_in``: crawlers by their browser, GA4's internal traffic."""

    built_in: bool = True
    max_events_per_day: int = Field(default=10_000, ge=1)
    rules: tuple[ExcludeRuleSettings, ...] = ()

    def build(self) -> Excludes:
        own = tuple(ExcludeRule(each.name, each.match) for each in self.rules)
        return Excludes((*own, *(BUILT_IN if self.built_in else ())), self.max_events_per_day)


class Settings(Frozen):
    """The whole config. ``fx`` gives, per foreign currency, its worth in ``currency``."""

    timezone: Zone = "UTC"
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    sessions: SessionSettings = SessionSettings()
    engine: EngineSettings = EngineSettings()
    detection: DetectionSettings = DetectionSettings()
    exclude: ExcludeSettings = ExcludeSettings()
    retention: RetentionSettings = RetentionSettings()
    alerts: AlertSettings = AlertSettings()
    fx: Mapping[str, Annotated[float, Field(gt=0)]] = {}
    sources: Mapping[str, Ga4Source | MixpanelSource | HotjarSource | TableSource]

    def zone_of(self, source: str) -> ZoneInfo:
        """The zone of times that carry none: the source's, else UTC for Mixpanel, else the workspace's."""
        each = self.sources[source]
        return ZoneInfo(each.timezone or ("UTC" if each.kind == "mixpanel" else self.timezone))

    def day_zone_of(self, source: str) -> ZoneInfo:
        """The zone that decides what a day of the source is: Mixpanel's is the project's."""
        each = self.sources[source]
        if isinstance(each, MixpanelSource) and each.project_timezone:
            return ZoneInfo(each.project_timezone)
        return self.zone_of(source)


def read_settings(path: Path) -> Settings:
    """The config of a workspace. Raises ConfigError."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path.parent}: this is no workspace, it has no {CONFIG_FILE}. "
            "Run `painpoints init DIR`, or name yours with --workspace DIR"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    try:
        return _in_workspace(parse_settings(tomllib.loads(text)), path.parent)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_not_toml(path, text, str(error))) from error
    except ValidationError as error:
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        keys = [str(key) for key in first["loc"] if key not in SOURCE_TYPES or key in first["loc"][:2]]
        raise ConfigError(_describe(path, text, keys, first["type"], first["msg"])) from error
    except _KeyProblem as problem:
        raise ConfigError(_describe(path, text, problem.keys, "", problem.what)) from problem


def _in_workspace(settings: Settings, root: Path) -> Settings:
    """The settings with their folders where they are: what is relative is relative to the workspace."""
    root = root.absolute()
    folder, named = root / SPILL_FOLDER, settings.engine.temp_directory
    if named is not None:  # others may use it too
        folder = root / named / f"painpoints-{hashlib.sha256(bytes(root)).hexdigest()[:12]}"
    engine = settings.engine.model_copy(update={"temp_directory": folder})
    return settings.model_copy(update={"engine": engine})


class _KeyProblem(ValueError):
    def __init__(self, keys: list[str], what: str) -> None:
        super().__init__(what)
        self.keys, self.what = keys, what


def parse_settings(data: dict[str, Any]) -> Settings:
    """Settings of a parsed TOML document. Raises pydantic.ValidationError or a ValueError."""
    sources = data.get("sources")
    if not isinstance(sources, dict) or not sources:
        raise _KeyProblem(["sources"], "name at least one source, for example [sources.ga4]")
    typed: dict[str, SourceSettings] = {}
    for name, body in sources.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
            raise _KeyProblem(["sources", name], "a source's name has small letters, digits and underscores")
        if not isinstance(body, dict):
            raise _KeyProblem(["sources", name], f"write a table, [sources.{name}]")
        kind = body.get("kind", name)
        if kind not in SOURCE_TYPES:
            raise _KeyProblem(
                ["sources", name, "kind"], f"{kind!r} is no kind of source; use {', '.join(KINDS)}"
            )
        try:
            typed[name] = SOURCE_TYPES[kind].model_validate(body | {"kind": kind})
        except ValidationError as error:
            first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
            keys = ["sources", name, *map(str, first["loc"])]
            raise _KeyProblem(keys, _MESSAGES.get(first["type"], first["msg"])) from error
    return Settings.model_validate(data | {"sources": typed})


_MESSAGES = {"extra_forbidden": "this key is unknown here", "missing": "this key is missing"}


def _describe(path: Path, text: str, keys: list[str], kind: str, message: str) -> str:
    what = _MESSAGES.get(kind, message).removeprefix("Value error, ")
    return f"{path}, line {_line_of(text, keys)}, {'.'.join(keys)}: {what}"


def _not_toml(path: Path, text: str, message: str) -> str:
    where = re.search(r"\(at line (\d+)", message)
    line = text.splitlines()[int(where[1]) - 1] if where and int(where[1]) <= len(text.splitlines()) else ""
    key = re.match(r"\s*([\w\"'.-]+)\s*=", line)
    if "date" not in message.lower() or where is None or key is None:
        return f"{path}: this is not TOML: {message}"
    return f"{path}, line {where[1]}, {key[1]}: there is no such day; write for example 2026-11-27"


def _line_of(text: str, keys: list[str]) -> int:
    """The line (from 1) where the deepest of ``keys`` stands; tomllib keeps no positions."""
    section: list[str] = []
    tables: dict[tuple[str, ...], int] = {}
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            section = [part.strip().strip("\"'") for part in header[1].split(".")]
            if line.lstrip().startswith("[["):
                tables[tuple(section)] = tables.get(tuple(section), -1) + 1
                section = [*section, str(tables[tuple(section)])]
            here = section
        else:
            key = re.match(r"\s*([\w\"'.-]+)\s*=", line)
            if key is None:
                continue
            here = section + [part.strip("\"'") for part in key[1].split(".")]
        if here == keys[: len(here)] and len(here) > depth:
            best, depth = number, len(here)
    return best
