"""Who visits the synthetic shop: segment values, their shares, and each leaf's own step rates.

A *leaf* is one combination of segment values. Rates are probabilities in [0, 1] of reaching the
next stage within the journey's window, given that the stage was reached.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STAGES: dict[str, tuple[str, ...]] = {
    "purchase": ("discover", "consider", "cart", "checkout", "pay", "buy"),
    "onboarding": ("start", "verify", "profile", "first_order"),
}
BASE_RATES: dict[str, tuple[float, ...]] = {
    "purchase": (0.62, 0.30, 0.55, 0.75, 0.85),
    "onboarding": (0.70, 0.65, 0.40),
}

# (device, os, browser, share). The shares keep "browser=Safari & device=mobile" apart from
# "os=iOS & device=mobile": two segments of nearly the same people could not be told apart.
PLATFORMS = (
    ("mobile", "iOS", "Safari", 0.210),
    ("mobile", "iOS", "Chrome", 0.050),
    ("mobile", "iOS", "Firefox", 0.010),
    ("mobile", "Android", "Chrome", 0.210),
    ("mobile", "Android", "Samsung Internet", 0.080),
    ("mobile", "Android", "Firefox", 0.020),
    ("desktop", "Windows", "Chrome", 0.140),
    ("desktop", "Windows", "Edge", 0.070),
    ("desktop", "Windows", "Firefox", 0.020),
    ("desktop", "Macintosh", "Safari", 0.070),
    ("desktop", "Macintosh", "Chrome", 0.045),
    ("desktop", "Linux", "Firefox", 0.015),
    ("tablet", "iOS", "Safari", 0.045),
    ("tablet", "Android", "Chrome", 0.015),
)
COUNTRIES = (
    ("Spain", "ES", "Madrid", 0.50),
    ("France", "FR", "Paris", 0.20),
    ("Germany", "DE", "Berlin", 0.15),
    ("Italy", "IT", "Milan", 0.15),
)
# (GA4 default channel group, source, medium, campaign, share)
CHANNELS = (
    ("Organic Search", "google", "organic", "(organic)", 0.32),
    ("Paid Search", "google", "cpc", "autumn_search", 0.22),
    ("Direct", "(direct)", "(none)", "(direct)", 0.20),
    ("Email", "newsletter", "email", "weekly_letter", 0.11),
    ("Organic Social", "instagram", "social", "stories", 0.10),
    ("Referral", "someblog.example", "referral", "(referral)", 0.05),
)
NEW_SHARE = 0.27  # of attempts opened in a visitor's first session; measured, a test watches it
SIGNUP_CHANNELS = (
    ("google", "cpc", 0.30),
    ("instagram", "social", 0.25),
    ("newsletter", "email", 0.10),
    ("", "", 0.35),
)
# Onboarding knows two devices; the platforms are a subset of PLATFORMS, shares sum to 1.
SIGNUP_PLATFORMS = (
    ("mobile", "iOS", "Mobile Safari", "iPhone", 0.36),
    ("mobile", "Android", "Chrome", "Android", 0.28),
    ("desktop", "Windows", "Chrome", "", 0.24),
    ("desktop", "Mac OS X", "Safari", "", 0.12),
)

# Main effects on the log-odds of every step: small, so that no segment is a pain point by itself.
EFFECTS: dict[tuple[str, str], float] = {
    ("device", "mobile"): -0.04,
    ("device", "desktop"): 0.06,
    ("browser", "Safari"): 0.02,
    ("browser", "Firefox"): -0.02,
    ("browser", "Samsung Internet"): -0.03,
    ("country", "Spain"): 0.02,
    ("country", "Germany"): 0.02,
    ("country", "France"): -0.01,
    ("country", "Italy"): -0.04,
    ("country", "ES"): 0.02,
    ("country", "IT"): -0.05,
    ("channel", "Paid Search"): -0.03,
    ("channel", "Direct"): 0.03,
    ("channel", "Email"): 0.08,
    ("channel", "Organic Social"): -0.07,
    ("is_new_user", "true"): -0.05,
    ("is_new_user", "false"): 0.02,
}


@dataclass(frozen=True)
class Leaves:
    """All leaves of a journey: `values[column]` and `share` are (leaves,), `rates` (leaves, steps)."""

    shape: tuple[int, ...]
    values: dict[str, npt.NDArray[np.str_]]
    share: Floats
    rates: Floats

    def inside(self, segment: str) -> Bools:
        """(leaves,) whether a leaf lies in `segment`: `all`, or `key=value` joined by ` & `."""
        mask = np.ones(len(self.share), dtype=bool)
        if segment != "all":
            for pair in segment.split(" & "):
                key, value = pair.split("=", 1)
                mask &= self.values[key] == value
        return mask


def logit(rate: npt.ArrayLike) -> Floats:
    """Log-odds of a rate in (0, 1)."""
    p = np.asarray(rate, dtype=float)
    return np.asarray(np.log(p) - np.log1p(-p))


def expit(log_odds: Floats) -> Floats:
    """Rate in (0, 1) of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))


@lru_cache(maxsize=2)
def leaves(journey: str) -> Leaves:
    """The leaves of a journey; purchase: platform x country x channel x new or not."""
    if journey == "purchase":
        axes: list[list[tuple[dict[str, str], float]]] = [
            [({"device": d, "os": o, "browser": b}, s) for d, o, b, s in PLATFORMS],
            [({"country": name}, s) for name, _, _, s in COUNTRIES],
            [({"channel": c, "medium": m}, s) for c, _, m, _, s in CHANNELS],
            [({"is_new_user": "false"}, 1 - NEW_SHARE), ({"is_new_user": "true"}, NEW_SHARE)],
        ]
    else:
        axes = [
            [({"device": d, "os": o}, s) for d, o, _, _, s in SIGNUP_PLATFORMS],
            [({"country": code}, s) for _, code, _, s in COUNTRIES],
            [({"utm_medium": m}, s) for _, m, s in SIGNUP_CHANNELS],
        ]
    shape = tuple(len(axis) for axis in axes)
    grid = np.unravel_index(np.arange(int(np.prod(shape))), shape)
    share = np.ones(len(grid[0]))
    values: dict[str, npt.NDArray[np.str_]] = {}
    effect = np.zeros(len(share))
    for axis, index in zip(axes, grid, strict=True):
        share *= np.array([weight for _, weight in axis])[index]
        for column in axis[0][0]:
            values[column] = np.array([v[column] for v, _ in axis])[index]
            effect += [EFFECTS.get((column, value), 0.0) for value in values[column]]
    effect -= np.average(effect, weights=share)
    rates = expit(logit(BASE_RATES[journey])[None, :] + effect[:, None])
    return Leaves(shape, values, share, rates)
