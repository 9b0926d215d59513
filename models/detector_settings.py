"""How findings are judged: levels and margins."""

from __future__ import annotations

from dataclasses import dataclass

from models.campaign_calendar import NamedDays


@dataclass(frozen=True)
class DetectorSettings:
    """How findings are judged.

    ``false_discovery_rate`` is the level of the Benjamini-Hochberg procedure on a night's standing gaps,
    ``margin`` the relative shortfall too small to matter. ``alpha`` is the p-value, over all that is
    scanned in a night, below which a fall is told; ``alpha_to_stay`` that of one already told.
    ``calendar`` are campaign and holiday days, which neither are a past nor make a finding.
    """

    false_discovery_rate: float = 0.0005
    margin: float = 0.02
    alpha: float = 0.001
    alpha_to_stay: float = 0.01
    calendar: tuple[NamedDays, ...] = ()
