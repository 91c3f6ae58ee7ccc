"""What the evaluate step measures: the test part scored once, and each file's content made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.recipe import Recipe
from workflow.steps import read_json, read_part

if TYPE_CHECKING:
    import pandas as pd

    from modeling.hashing import Floats
    from modeling.policy import Action, Threshold
    from modeling.resampling import Labels

WORST: Final = 50


@dataclass(frozen=True)
class TestPart:
    """The rows that no model has seen, and what is known of each; no scores yet.

    Attributes:
        frame: row, key, fold, label, text and artefact.
        learned: keys of the rows that the candidate learned from.

    """

    __test__ = False
    frame: "pd.DataFrame"
    learned: frozenset[str]

    @property
    def texts(self) -> list[str]:
        """Cleaned texts."""
        return list(self.frame["text"])

    @property
    def keys(self) -> list[str]:
        """Frozen keys."""
        return list(self.frame["key"])

    @property
    def labels(self) -> "Labels":
        """1 where moderators removed the row, shape (rows,)."""
        labels: Labels = self.frame["label"].to_numpy()
        return labels


def read_test(comments: Path, candidate: Path) -> TestPart:
    """The test part, fit to be evaluated.

    Raises:
        EvaluationError: it is too small, has too few of a label, or holds rows that the model learned from.

    """
    import pandas as pd

    from modeling.evaluate import check_rows, check_unseen

    test = read_part(comments / "test.csv")
    artefacts = pd.read_csv(comments / "artefacts.csv", dtype={"key": str, "artefact": bool})
    learned = pd.read_csv(candidate / "out_of_fold.csv", usecols=["key"], dtype=str)["key"]
    declared = pd.read_csv(comments / "learning.csv", usecols=["key"], dtype=str)["key"]
    part = TestPart(
        test.merge(artefacts, on="key", how="left", validate="1:1"), frozenset({*learned, *declared})
    )
    check_rows(part.labels)
    check_unseen(part.keys, part.learned)
    return part


class Measured:
    """One candidate on the test part: scored when it is made, and never again."""

    def __init__(self, part: TestPart, candidate: Path, recipe: Recipe) -> None:
        from modeling.bundle import scorer_of
        from modeling.evaluate import before_calibration, check_scores
        from modeling.policy import ATTRIBUTE, policy_from_json

        self.part, self.recipe = part, recipe
        self.training = read_json(candidate / "training.json")
        self.policy = policy_from_json((candidate / "policy.json").read_text(encoding="utf-8"))
        self._scorer = scorer_of(candidate / "weights", self.training)
        self.thresholds: Mapping[Action, Threshold] = self.policy.attributes[ATTRIBUTE]
        self.scores = self.score(part.texts)
        check_scores(self.scores, len(part.frame), self.training["candidate"])
        self.uncalibrated = before_calibration(self.scores, self.training["calibration"])

    def score(self, texts: Sequence[str]) -> "Floats":
        """The candidate's scores of any texts."""
        from modeling.policy import ATTRIBUTE

        return self._scorer.score(list(texts))[ATTRIBUTE]

    @property
    def flag(self) -> float | None:
        """The score from which a message is flagged, None where that action is off."""
        return self.thresholds["flag"].value if "flag" in self.thresholds else None

    @property
    def _bootstrap(self) -> tuple[int, int]:
        return self.recipe.resamples, self.recipe.seed

    def contents(self, *, texts: bool) -> dict[str, Any]:
        """Every file's content by its name; message texts only where they are asked for."""
        return {
            "metrics": self.metrics(),
            "slices": self.slices(),
            "reliability": self.reliability(),
            "curves": self.curves(),
            "counterfactual": self.counterfactual(),
            "evasion": self.evasion(),
            "errors": self.errors(texts=texts),
        }

    def metrics(self) -> dict[str, Any]:
        """The main figures with their intervals."""
        from modeling.evaluate import chance_calibration_error, evaluate

        labels, best_f1 = self.part.labels, self.training["out_of_fold"]["f1_threshold"]
        found = evaluate(
            self.scores, labels, self.thresholds, best_f1, *self._bootstrap, uncalibrated=self.uncalibrated
        )
        return {
            "part": "test",
            "rows": len(labels),
            "removed": int(labels.sum()),
            "metrics": {name: asdict(metric) for name, metric in found.items()},
            "ece_by_chance": chance_calibration_error(self.scores),
        }

    def slices(self) -> list[dict[str, Any]]:
        """Figures of each slice."""
        from modeling.slices import masks, slices

        chosen = masks(self.part.texts, self.part.frame["artefact"].to_numpy())
        found = slices(chosen, self.scores, self.part.labels, self.flag, *self._bootstrap)
        return [each.plain() for each in found]

    def reliability(self) -> dict[str, Any]:
        """Bins before and after calibration; before is empty where it cannot be told."""
        from modeling.curves import reliability

        before = [] if self.uncalibrated is None else reliability(self.uncalibrated, self.part.labels)
        return {"before": before, "after": reliability(self.scores, self.part.labels)}

    def curves(self) -> dict[str, Any]:
        """Points of ROC, precision-recall and thresholds."""
        from modeling.curves import curves

        return curves(self.scores, self.part.labels, *self._bootstrap)

    def counterfactual(self) -> dict[str, Any]:
        """What swapping identity terms does."""
        from modeling.counterfactual import counterfactual

        levels = [each.value for each in self.thresholds.values() if each.value is not None]
        return counterfactual(self.score, self.part.texts, self.scores, levels, *self._bootstrap)

    def evasion(self) -> dict[str, Any]:
        """What writing round the model does."""
        from modeling.evasion import evasion

        part = self.part
        return evasion(
            self.score, part.texts, part.keys, self.scores, part.labels, self.flag, *self._bootstrap
        )

    def errors(self, *, texts: bool) -> dict[str, Any]:
        """The 50 kept messages that score highest and the 50 removed ones that score lowest."""
        import numpy as np

        labels, order = self.part.labels, np.argsort(-self.scores, kind="stable")
        return {
            "texts": texts,
            "false_positives": [self._row(row, texts=texts) for row in order[labels[order] == 0][:WORST]],
            "false_negatives": [
                self._row(row, texts=texts) for row in order[labels[order] == 1][::-1][:WORST]
            ],
        }

    def _row(self, place: int, *, texts: bool) -> dict[str, Any]:
        row = self.part.frame.iloc[place]
        plain = {
            "key": str(row["key"]),
            "row": int(row["row"]),
            "score": float(self.scores[place]),
            "label": int(row["label"]),
            "words": len(row["text"].split()),
        }
        return plain | ({"text": str(row["text"])} if texts else {})
