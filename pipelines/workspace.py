"""A workspace: the user's folder with the config and the journeys, and what the program makes there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.day_pull import Clock, Nights, utc_now
from connectors.forgotten_ledger import read_ledger
from connectors.landing import SourceLake
from connectors.patience import Patience
from models.journey import Journey
from models.journey_file import JourneyError, read_journeys
from pipelines.engine_limits import remove_left_spill
from pipelines.errors import ConfigError, WorkspaceBusy
from pipelines.exhausted import disk_full
from pipelines.lake_gate import LakeGate, people_of
from pipelines.layout_migrations import bring_up_to_date
from pipelines.layout_version import refuse_newer
from pipelines.retention_ledger import read_retention
from pipelines.settings import CONFIG_FILE, Settings, read_settings
from pipelines.source_settings import LiveSource

DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True)
class Workspace:
    """Paths of a workspace and, read once, its config and journeys.

    ``clock`` says now, ``patience`` how long a pull waits for a vendor: tests have their own.
    """

    root: Path
    clock: Clock = utc_now
    patience: Patience = DEFAULT_PATIENCE

    @property
    def config_path(self) -> Path:
        return self.root / CONFIG_FILE

    @property
    def journeys_folder(self) -> Path:
        return self.root / "journeys"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def staged(self) -> Path:
        """Canonical events as Parquet, one file per landed version of a day."""
        return self.lake / "_staged"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        return self.root / "painpoints.duckdb"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @cached_property
    def settings(self) -> Settings:
        return read_settings(self.config_path)

    @cached_property
    def journeys(self) -> tuple[Journey, ...]:
        """The active journeys. Raises JourneyError, also for what is wrong in an inactive one."""
        journeys = read_journeys(self.journeys_folder)
        for journey in journeys:
            for source in journey.sources or ():
                if source not in self.settings.sources and journey.active:
                    known = ", ".join(self.settings.sources)
                    what = f"there is no source {source!r} in {CONFIG_FILE}; it has {known}"
                    raise JourneyError(journey.path, 1, "sources", what)
        active = tuple(journey for journey in journeys if journey.active)
        if not active:
            what = "no journey here is active; set `active: true` in one of them"
            raise JourneyError(self.journeys_folder, 1, "", what)
        return active

    def today(self) -> date:
        """Today by the clock, in the workspace's time zone."""
        return self.clock().astimezone(ZoneInfo(self.settings.timezone)).date()

    def sources_of(self, journey: Journey) -> tuple[str, ...]:
        """The sources whose events the journey's stages match.

        By default the first clickstream source of the config and every table: a second clickstream
        sees the same people do the same things and would count them twice.
        """
        return sources_of(journey, {name: each.kind for name, each in self.settings.sources.items()})

    def source_lake(self, source: str) -> SourceLake:
        return SourceLake(self.lake, source, self.gate_of(source))

    def gate_of(self, source: str) -> LakeGate:
        """What keeps rows and days of a source from landing; of one the config has no more, rows alone."""
        settings = self.settings.sources.get(source)
        first = read_retention(self.lake).lands_from
        return LakeGate(people_of(source, settings), read_ledger(self.lake), first)

    def nights_of(self, source: str) -> Nights:
        """The days of a source, and how long its vendor may still change one."""
        each = self.settings.sources[source]
        look_back = each.look_back if isinstance(each, LiveSource) else timedelta()
        return Nights(self.settings.day_zone_of(source), look_back, self.clock)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace for one run; one of an older layout is migrated first.

        Raises WorkspaceBusy when another run has it, LayoutTooNew when a newer program wrote it,
        MachineExhausted where what is done meanwhile fills the disk.
        """
        path = self.root / ".painpoints.lock"
        try:
            opened = path.open("a+")
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be written ({error.strerror}). A workspace must be writable; "
                "nothing was changed"
            ) from error
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise WorkspaceBusy(
                    f"{self.root}: another run is at work here (process {owner}). "
                    "Wait until it is done; nothing was changed"
                ) from error
            file.truncate(0)
            with suppress(OSError):  # on a full disk nothing can be written, but room can be made
                os.write(file.fileno(), str(os.getpid()).encode())
            try:
                with suppress(ConfigError):  # the command says what is wrong with it
                    remove_left_spill(self.settings.engine)
                bring_up_to_date(self.root)
                yield  # closing the file frees the lock, also when the process dies
            except OSError as error:
                full = disk_full(error, self.root)
                if full is None:
                    raise
                raise full from error


def sources_of(journey: Journey, kinds: dict[str, str]) -> tuple[str, ...]:
    return journey.sources if journey.sources is not None else _counted_sources(kinds)


def default_sources(settings: Settings) -> tuple[str, ...]:
    """The sources that count where none are named: the first clickstream, and every table."""
    return _counted_sources({name: each.kind for name, each in settings.sources.items()})


def _counted_sources(kinds: dict[str, str]) -> tuple[str, ...]:
    clickstream = [name for name, kind in kinds.items() if kind in ("ga4", "mixpanel")]
    return (*clickstream[:1], *(name for name, kind in kinds.items() if kind == "table"))


def open_workspace(root: Path, clock: Clock = utc_now, patience: Patience = DEFAULT_PATIENCE) -> Workspace:
    """The workspace at ``root``; its config is read at once.

    Raises ConfigError, LayoutTooNew or LayoutUnknown.
    """
    refuse_newer(root.resolve())
    workspace = Workspace(root.resolve(), clock, patience)
    workspace.settings  # noqa: B018 - reading it here makes a wrong folder fail first
    return workspace
