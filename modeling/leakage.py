"""The leak audit: can artefacts alone predict the label? Pure: texts and limits in, figures and verdicts out.

A group of artefacts is scored by a small model of its own, out of fold over the learning part: a model
never scores a fold that it was fitted on, and no test row takes part. The figure is ROC-AUC within folds,
averaged by their rows: scores of two folds come from two models and are not compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from modeling.artefacts import GROUPS, Group, Limit
from modeling.candidates.interface import Labels
from modeling.hashing import Floats
from modeling.resampling import LEVEL, Metric
from modeling.split import FOLDS
from modeling.train import check_folds

MOST_ROWS: Final = 20_000
RESAMPLES: Final = 500
SEED: Final = 0
# An interval that reaches further than this over a limit hides a leak worth knowing.
TOO_WIDE: Final = 0.05
LEAVES: Final = 32
NOTHING: Final = Metric(0.5, 0.5, 0.5)

Stage = Literal["before", "after"]
Verdict = Literal["passed", "failed", "allowed", "undecided"]
Folds = npt.NDArray[np.int64]
Columns = Mapping[Stage, Mapping[str, Floats]]


@dataclass(frozen=True)
class Seen:
    """The rows of the learning part, every vector in the same order.

    Attributes:
        keys: distinct, they give the rows their order.
        labels: 1 where moderators removed the row, shape (rows,).
        folds: of the learning part, shape (rows,).
        before: raw texts.
        after: texts as the trainer sees them.
        columns: for ``row_number`` and ``columns``, of each stage, the values by name, each of shape (rows,).

    """

    keys: Sequence[str]
    labels: Labels
    folds: Folds
    before: Sequence[str]
    after: Sequence[str]
    columns: Mapping[str, Columns] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """A group with its figures and what they mean; ``stage`` is the one that decided."""

    group: Group
    features: Mapping[Stage, tuple[str, ...]]
    figures: Mapping[Stage, Metric]
    limit: Limit
    stage: Stage
    verdict: Verdict
    reason: str

    @property
    def failed(self) -> bool:
        """Whether it tells more than it may."""
        return self.verdict == "failed"


def audit(seen: Seen, limits: Mapping[str, Limit]) -> list[Judged]:
    """Judge every group by its limit.

    Above ``MOST_ROWS`` rows, those with the smallest keys are taken: any machine takes the same.

    Raises:
        DataError: a fold lacks one label.

    """
    order = np.argsort(np.asarray(seen.keys), kind="stable")[:MOST_ROWS]
    labels, folds = seen.labels[order], seen.folds[order]
    check_folds(labels, folds)
    texts: dict[Stage, list[str]] = {
        "before": [seen.before[row] for row in order],
        "after": [seen.after[row] for row in order],
    }
    judged = []
    for group in GROUPS:
        figures: dict[Stage, Metric] = {}
        features: dict[Stage, tuple[str, ...]] = {}
        for stage, said in texts.items():
            columns = seen.columns.get(group.name, {}).get(stage, {})
            features[stage] = (*group.features, *columns)
            values = [group.matrix(said), *(each[order, None] for each in columns.values())]
            figures[stage] = alone(np.hstack(values), labels, folds, group.model)
        judged.append(_judge(group, features, figures, limits[group.name]))
    return judged


def alone(matrix: Floats, labels: Labels, folds: Folds, model: str) -> Metric:
    """How well these features alone tell the label, out of fold, with its bootstrap interval.

    Below one half counts as one half: such a model has learned what does not hold. The bootstrap draws
    rows of each fold and label anew (stratified, percentiles); the models stay as they are.
    """
    varied = [column for column in matrix.T if np.ptp(column) > 0]
    if not varied:
        return NOTHING
    matrix = np.column_stack(varied)
    random, weights, values, draws = np.random.default_rng(SEED), [], [], []
    for fold in range(FOLDS):
        held = folds == fold
        scores = _scores(matrix[~held], labels[~held], matrix[held], model)
        # Rows of the same features must tie, whatever the last bit of a sum says.
        levels, place = np.unique(np.round(scores, 9), return_inverse=True)
        removed = np.bincount(place[labels[held] == 1], minlength=len(levels))
        kept = np.bincount(place[labels[held] == 0], minlength=len(levels))
        weights.append(held.sum())
        values.append(_area(removed[None], kept[None])[0])
        draws.append(_area(_drawn(random, removed), _drawn(random, kept)))
    value = float(np.average(values, weights=weights))
    edge = 50 * (1 - LEVEL)
    low, high = np.percentile(np.average(draws, axis=0, weights=weights), [edge, 100 - edge])
    return Metric(*(max(0.5, round(float(each), 6)) for each in (value, low, high)))


def _scores(learned: Floats, labels: Labels, held: Floats, model: str) -> Floats:
    if model == "tree":
        least = max(5, len(labels) // 200)
        tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=least, random_state=SEED)
        return np.asarray(tree.fit(learned, labels).predict_proba(held)[:, 1])
    centre, spread = learned.mean(axis=0), learned.std(axis=0)
    spread[spread == 0] = 1.0
    with threadpool_limits(1, user_api="blas"):
        line = LogisticRegression(solver="newton-cholesky").fit((learned - centre) / spread, labels)
        return np.asarray(line.decision_function((held - centre) / spread))


def _drawn(random: np.random.Generator, counts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """As many rows as there are, drawn with replacement, counted by score level: (samples, levels)."""
    places = np.repeat(np.arange(len(counts)), counts)
    drawn = places[random.integers(0, len(places), (RESAMPLES, len(places)))]
    drawn += np.arange(RESAMPLES)[:, None] * len(counts)
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * len(counts)).reshape(RESAMPLES, -1)


def _area(removed: npt.NDArray[Any], kept: npt.NDArray[Any]) -> Floats:
    """ROC-AUC of counts by score level, levels ascending, shape (samples, levels)."""
    below = np.cumsum(kept, axis=1) - kept / 2
    return np.asarray((removed * below).sum(axis=1) / (removed.sum(axis=1) * kept.sum(axis=1)))


def _judge(
    group: Group,
    features: Mapping[Stage, tuple[str, ...]],
    figures: Mapping[Stage, Metric],
    limit: Limit,
) -> Judged:
    found: list[tuple[Stage, Verdict, str]] = []
    stages: tuple[Stage, ...] = ("after", "before")
    for stage in stages:
        bound = getattr(limit, stage)
        if bound is not None:
            found.append((stage, *_verdict(figures[stage], bound)))
    if limit.allow:
        found.append(("after", "allowed", limit.allow))
    worst = ("failed", "undecided", "allowed", "passed")
    stage, verdict, reason = min(found, key=lambda each: worst.index(each[1]))
    return Judged(group, features, figures, limit, stage, verdict, reason)


def _verdict(figure: Metric, bound: float) -> tuple[Verdict, str]:
    """By the interval: a group fails where even its lower end is over the limit."""
    if figure.low > bound:
        return "failed", f"{figure} is over {bound:g}"
    if figure.high > bound + TOO_WIDE:
        return "undecided", f"too few rows to judge: the interval reaches to {figure.high:.3f}"
    if figure.value > bound:
        return "undecided", f"over {bound:g}, but its interval begins below: more rows would tell"
    return "passed", ""
