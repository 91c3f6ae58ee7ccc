"""What the gate judges a version by: its scores on the test part, what it learned from, what it costs.

Reads bundles and tables, knows no MLflow and decides nothing.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modeling import bundle as bundles
from workflow.exceptions import StepError
from workflow.steps import read_part

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from modeling.evidence import Evidence
    from modeling.policy import Policy


@dataclass(frozen=True, eq=False)
class TestPart:
    """The frozen rows on which versions are compared; labels have shape (rows,)."""

    __test__ = False  # the name does not make it a test
    keys: tuple[str, ...]
    texts: tuple[str, ...]
    labels: "npt.NDArray[np.int64]"
    slices: "Mapping[str, npt.NDArray[np.bool_]]"


def read_test_part(comments: Path) -> TestPart:
    """The test rows that preprocess left, with the slices that they belong to."""
    import pandas as pd

    from modeling.slices import masks

    artefacts = pd.read_csv(comments / "artefacts.csv", dtype={"key": str, "artefact": bool})
    test = read_part(comments / "test.csv").merge(artefacts, on="key", how="left", validate="1:1")
    texts = tuple(test["text"])
    slices = masks(texts, test["artefact"].to_numpy())
    return TestPart(tuple(test["key"]), texts, test["label"].to_numpy(), slices)


def evidence(
    name: str, directory: Path, manifest: Path | None, part: TestPart, figures: Mapping[str, float]
) -> "Evidence":
    """What a version shows on a test part.

    Args:
        name: for people.
        directory: of its bundle.
        manifest: which rows it learned from; None: nobody knows any more.
        part: the rows to be scored.
        figures: of its run in MLflow: what a message costs.

    Raises:
        BundleError: the bundle is incomplete, altered or of a kind that cannot be loaded here.
        StepError: the manifest is none.

    """
    from modeling.evidence import Evidence
    from modeling.policy import ATTRIBUTE

    bundle = bundles.load(directory)
    passport = bundle.passport
    files = (*passport["files"], bundles.PASSPORT)
    return Evidence(
        name=name,
        digest=bundle.digest,
        keys=part.keys,
        labels=part.labels,
        scores=bundle.score(list(part.texts))[ATTRIBUTE],
        learned=frozenset(learned_keys(manifest)) if manifest else frozenset(),
        slices=part.slices,
        cpu_ms=figures.get("cpu_ms_p50"),
        bundle_bytes=sum((directory / file).stat().st_size for file in files),
        requires=tuple(passport.get("requires", ())),
        leak_audit=passport.get("leak_audit", {}),
        counterfactual=passport.get("counterfactual", {}),
        is_sample=bool(passport["data"]["is_sample"]),
        policy=_actions(bundle.policy),
    )


def learned_keys(manifest: Path) -> Iterator[str]:
    """Keys of the learning part's rows in a ``manifest.csv``.

    Raises:
        StepError: it is no such file.

    """
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            yield from (row["key"] for row in csv.DictReader(file) if row["part"] == "learning")
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise StepError(
            f"{manifest.name}: is no manifest of a run ({error!r}): register the version anew, "
            "FRESH=1 make train"
        ) from error


def _actions(policy: "Policy") -> dict[str, str]:
    """Which actions can fire, for people."""
    return {
        action: "off" if threshold.value is None else f"from {threshold.value:.4f}"
        for actions in policy.attributes.values()
        for action, threshold in actions.items()
    }
