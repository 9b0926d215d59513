"""Scores of many worlds in one row, with standard errors over the worlds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detection.grid import SCORED_NIGHTS
from detection.scoring import Score

Statistic = Callable[[Sequence[Score]], float]


@dataclass(frozen=True)
class Measured:
    """A figure and its standard error; both nan where there is nothing to measure."""

    value: float
    error: float


def precision(scores: Sequence[Score]) -> float:
    """Of the claims open on the last night, those that hit a plant."""
    return _ratio(sum(each.hits for each in scores), sum(each.claims for each in scores))


def recall(scores: Sequence[Score]) -> float:
    """Of the plants that hold on the last night, those that were hit."""
    return _ratio(sum(each.hits for each in scores), sum(each.plants for each in scores))


def f1(scores: Sequence[Score]) -> float:
    """2 hits / (claims + plants), over all worlds together; nan without plants."""
    plants = sum(each.plants for each in scores)
    hits, claims = sum(each.hits for each in scores), sum(each.claims for each in scores)
    return _ratio(2 * hits, claims + plants) if plants else float("nan")


def oracle_recall(scores: Sequence[Score]) -> float:
    """Of the plants that hold on the last night, those the oracle is sure of."""
    return _ratio(sum(each.oracle_hits for each in scores), sum(each.plants for each in scores))


def recall_of_oracle(scores: Sequence[Score]) -> float:
    """Recall as a share of the oracle's on the same worlds."""
    return _ratio(sum(each.hits for each in scores), sum(each.oracle_hits for each in scores))


def ever_found(scores: Sequence[Score]) -> float:
    """Of all plants, also those that are over, those hit on some night."""
    return _ratio(sum(each.found for each in scores), sum(each.planted for each in scores))


def localisation(scores: Sequence[Score]) -> float:
    """Mean best F1 of leaves, of the plants whose transition has a claim on the last night."""
    return _mean([f for each in scores for f in each.localised])


def new_false(scores: Sequence[Score]) -> float:
    """New false findings per 30 nights."""
    return _mean([each.false_new for each in scores]) * 30 / len(SCORED_NIGHTS)


def days_to_detect(scores: Sequence[Score]) -> float:
    """Median days from onset to the first night with a hit, of the plants found."""
    return _median([d for each in scores for d in each.days])


def oracle_days(scores: Sequence[Score]) -> float:
    """The same of the oracle, of the plants it was sure of."""
    return _median([d for each in scores for d in each.oracle_days])


def loss_error(scores: Sequence[Score]) -> float:
    """Median relative error of the lost conversions, of the hits on drops that name a loss."""
    return _median([e for each in scores for e in each.loss_errors])


def full_loss_error(scores: Sequence[Score]) -> float:
    """The same against the loss that counts attempts which may still come."""
    return _median([e for each in scores for e in each.full_loss_errors])


def coverage(scores: Sequence[Score]) -> float:
    """Of the 90 % intervals of those losses, the share that hold the expected loss."""
    return _mean([c for each in scores for c in each.covered])


def kinds_right(scores: Sequence[Score]) -> float:
    """Of the hits, those that tell a slow-down from a drop."""
    return _ratio(sum(each.kinds_right for each in scores), sum(each.hits for each in scores))


def onset_error(scores: Sequence[Score]) -> float:
    """Median distance in days of the named onset from the true one, of the hits."""
    return _median([abs(d) for each in scores for d in each.onset_errors])


def night_seconds(scores: Sequence[Score]) -> float:
    """Seconds a night."""
    return _mean([each.seconds for each in scores]) / len(SCORED_NIGHTS)


COLUMNS: dict[str, Statistic] = {
    "f1": f1,
    "precision": precision,
    "recall": recall,
    "oracle_recall": oracle_recall,
    "recall_of_oracle": recall_of_oracle,
    "localisation": localisation,
    "new_false": new_false,
    "days": days_to_detect,
    "oracle_days": oracle_days,
    "loss_error": loss_error,
    "full_loss_error": full_loss_error,
    "coverage": coverage,
    "ever_found": ever_found,
    "kinds_right": kinds_right,
    "onset_error": onset_error,
    "night_seconds": night_seconds,
}


def summarise(scores: Sequence[Score], resamples: int = 400) -> dict[str, Measured]:
    """Every figure with its standard error: bootstrap over worlds (Efron 1979), always the same draws."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(scores), (resamples, len(scores)))
    told = {}
    for name, statistic in COLUMNS.items():
        again = [statistic([scores[i] for i in draw]) for draw in draws.tolist()] if len(scores) > 1 else []
        values = np.array(again)[np.isfinite(again)] if again else np.array([])
        error = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        told[name] = Measured(statistic(scores), error)
    return told


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")
