"""The errors a person can meet, drawn once. Each says what happened, where, and what to do."""

from __future__ import annotations


class PainpointsError(Exception):
    """Anything that stops a command; the CLI prints it and exits with 1."""


class ConfigError(PainpointsError):
    """painpoints.toml is absent or wrong."""


class WorkspaceBusy(PainpointsError):
    """Another run is at work on this workspace."""


class NothingLanded(PainpointsError):
    """A step needs data that no earlier step has brought."""


class CheckFailed(PainpointsError):
    """A check in sql/checks found rows that must not be."""


class SqlFailed(PainpointsError):
    """A SQL model could not be run."""


class SparkFailed(PainpointsError):
    """A build on Spark has no session, no worker, or no folder to share with the workers."""


class UnknownFinding(PainpointsError):
    """No pain point has the id that was asked for."""
