"""The fixed grid of the benchmark. Harder kinds may be added; nothing here is made easier."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np

FIRST_DAY = date(2026, 1, 5)
DAYS = 84
WARM_UP = 14  # days simulated before the first, so that the later stages start in their steady state
AGES = 8  # days from first reaching a to reaching b: 0 .. 7
SCORED_NIGHTS = range(DAYS - 30, DAYS)

STAGES = ("discover", "consider", "wish", "cart", "pay", "buy")
TRANSITIONS = tuple(pairwise(STAGES))
BASE_RATES = np.array([0.55, 0.22, 0.55, 0.75, 0.85])
SAME_DAY = np.array([0.65, 0.70, 0.75, 0.80, 0.85])
LATER_DAYS_RATIO = 0.55  # of those who come later: each day has this share of the day before

SEGMENTS = {
    "device": {"mobile": 0.55, "desktop": 0.37, "tablet": 0.08},
    "channel": {
        "organic": 0.30,
        "paid": 0.22,
        "direct": 0.18,
        "email": 0.14,
        "social": 0.10,
        "referral": 0.06,
    },
    "country": {"ES": 0.40, "DE": 0.25, "FR": 0.15, "IT": 0.12, "PT": 0.08},
    "is_new_user": {"true": 0.6, "false": 0.4},
}
COLUMNS = tuple(SEGMENTS)

DROPS, DROP_SHARES = (0.05, 0.10, 0.20, 0.40), (0.2, 0.3, 0.3, 0.2)
DEPTHS, DEPTH_SHARES = (0, 1, 2, 3), (0.15, 0.40, 0.35, 0.10)
SLOW_SHARE = 0.15
LEAST_SEGMENT_SHARE = 0.01
MOST_PLANTS = 3
ONSETS = range(57, 67)

DAY_SHOCK = 0.03  # standard deviation of the common relative change of a transition's rate in a day
SHOCK_MEMORY = 0.5  # its autocorrelation from day to day
DELAY_SHOCK = 0.05  # the same for the log-odds of coming on the same day
COLUMN_EFFECT = 0.20  # standard deviations of log-odds: of each segment value,
LEAF_EFFECT = 0.08  # of each leaf for good,
LEAF_NOISE = 0.04  # of each leaf anew every day,
DELAY_EFFECT = 0.10  # and of each leaf's share that comes on the same day
LATE_SHARE = 0.08  # of a day's rows are missing on its first night

VOLUMES = {"4k": 4_000, "20k": 20_000, "80k": 80_000}

TUNING_SEEDS = range(1000, 2000)
REPORTING_SEEDS = range(5000, 6000)

CONFOUNDERS = ("mix", "outage", "bots", "sale", "holiday")
PAINS = ("pain", "slow_ramp", "transient", "two_pains_one_stage", "overlapping")
KINDS = ("null", *PAINS, *CONFOUNDERS, *(f"pain_during_{each}" for each in CONFOUNDERS))
