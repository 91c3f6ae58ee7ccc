"""The challenger: a pre-trained encoder, fine-tuned by `transformers`, served by ONNX Runtime without torch.

Needs the extra ``transformer``; everything heavy is imported when a fit begins. What it scores in training
goes through the same ONNX file that is served, so that metrics, calibration and thresholds are of that file.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from modeling.candidates import export, fine_tuning, pretrained
from modeling.candidates.interface import Labels, Progress
from modeling.exceptions import CandidateError
from modeling.hashing import Floats
from modeling.onnx_scorer import FACTS, LABELS, MODEL, Facts, OnnxModel
from modeling.tokens import Tokenizer, Tokens

MINILM: Final = "sentence-transformers/all-MiniLM-L6-v2"
# What `verify` may find between two fits of the same passport: sums are taken in another order on another
# number of cores, and hundreds of steps carry that on. An allowance of ours: below what 1,000 rows can tell.
TOLERANCE: Final = 0.01
LIBRARIES: Final = ("torch", "transformers", "tokenizers", "onnx", "onnxscript", "onnxruntime")


def build(params: dict[str, Any]) -> "TransformerClassifier":
    """The unfitted candidate.

    Raises:
        CandidateError: what training needs is not installed.

    """
    pretrained.check_installed()
    return TransformerClassifier(**params)


class Encoded:
    """Texts as token numbers, made once; ``progress`` is told how their fits go."""

    def __init__(self, tokens: Sequence[Tokens], progress: Progress) -> None:
        self.tokens = list(tokens)
        self.progress = progress

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.tokens)

    def select(self, rows: npt.NDArray[np.bool_]) -> "Encoded":
        """Those of the texts where ``rows`` is true."""
        return Encoded([one for one, chosen in zip(self.tokens, rows, strict=True) if chosen], self.progress)


class TransformerClassifier(BaseEstimator):
    """A sequence classifier of `transformers` with two labels.

    Args:
        model: a local directory as ``save_pretrained`` writes it, or a name on the hub.
        max_length: most tokens of a text; what follows is not read, in training and serving alike.
        epochs: most times that every row is learned from.
        batch_size: rows a step.
        learning_rate: the largest, after the warm-up.
        warmup: share of the steps in which the rate rises.
        patience: epochs without a better ranking of held-out learning rows after which a fit ends;
            0 holds nothing out and runs them all.
        held_out: share of the learning rows for that.
        calibration_folds: how many of the five folds are held out in turn for calibration and thresholds.
        onnx: precision of what is served and measured, ``float32`` or ``int8``.
        seed: of the new head, dropout and the order of rows.

    """

    kind: Final = "onnx-transformer"
    requires: Final[tuple[str, ...]] = ("onnxruntime", "tokenizers")

    def __init__(
        self,
        model: str = MINILM,
        max_length: int = 192,
        epochs: int = 2,
        batch_size: int = 16,
        learning_rate: float = 5e-5,
        warmup: float = 0.06,
        patience: int = 1,
        held_out: float = 0.1,
        calibration_folds: int = 1,
        onnx: str = "float32",
        seed: int = 0,
    ) -> None:
        self.model = model
        self.max_length = max_length
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.patience = patience
        self.held_out = held_out
        self.calibration_folds = calibration_folds
        self.onnx = onnx
        self.seed = seed

    def prepare(self, texts: Sequence[str], progress: Progress = lambda _: None) -> Encoded:
        """The texts' tokens, which all folds share.

        Raises:
            CandidateError: the model cannot be had.

        """
        pretrained.check_installed()
        tokenizer = pretrained.read_tokenizer(self.model, self.max_length)
        content = tokenizer.backend_tokenizer.to_str()
        tokens = Tokenizer(content, self.max_length)(texts)
        total = sum(len(each.numbers) for each in tokens)
        progress(f"{len(tokens):,} rows, {total:,} tokens")
        return Encoded(tokens, progress)

    def fit(self, X: Sequence[str] | Encoded, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fine-tune on cleaned texts, or on their tokens, with one label (0 kept, 1 removed) each.

        Raises:
            CandidateError: the model cannot be had, or the rows do not suffice.

        """
        rows, labels = self._encoded(X), np.asarray(y, dtype=np.int64)
        if len(rows) != len(labels) or set(np.unique(labels)) != {0, 1}:
            raise CandidateError(
                f"{len(rows)} texts and {len(labels)} labels of {np.unique(labels).tolist()}: give one a "
                "text, and both 0 and 1"
            )
        apart = self._apart(labels)
        on = fine_tuning.machine()
        with fine_tuning.seeded(self.seed):
            base = pretrained.read_base(self.model, self.max_length)
            digest = base.digest()
            course = fine_tuning.fine_tune(
                base.model, rows.tokens, labels, apart, self._plan(), on, rows.progress
            )
        longest = max(rows.tokens, key=lambda row: len(row.numbers))
        self.files_ = export.to_files(base, longest, self.onnx)
        rows.progress(f"exported to ONNX ({self.onnx}), {len(self.files_[MODEL]) / 1e6:.1f} MB")
        self.facts_ = {
            "epochs": course.epochs,
            "held_out": {"rows": int(apart.sum()), "roc_auc": course.held_out},
            "machine": {"device": on.device, "precision": on.precision},
            "base": {"sha256": digest},
            "verify": {"tolerance": TOLERANCE},
            "libraries": {name: version(name) for name in LIBRARIES},
        }
        return self

    def decision_function(self, X: Sequence[str] | Encoded) -> Floats:  # noqa: N803
        """The logit of removal as the ONNX file gives it, shape (rows,)."""
        check_is_fitted(self)
        rows, served = self._encoded(X), OnnxModel(self.files_[MODEL])
        # a text a thread, as a server does it: more threads for one text would gain less
        with ThreadPoolExecutor() as pool:
            return np.array(list(pool.map(served.logit, rows.tokens)), dtype=np.float64)

    def files(self, slope: float, offset: float) -> Mapping[str, bytes]:
        """The weights, the tokenizer and the ONNX file, with what the service must know of them."""
        check_is_fitted(self)
        facts = Facts(self.max_length, slope, offset, self.onnx, LABELS)
        return {**self.files_, FACTS: facts.to_json()}

    def facts(self) -> Mapping[str, Any]:
        """The epoch that was kept and how held-out rows were ranked, base model, machine and libraries."""
        check_is_fitted(self)
        return dict(self.facts_)

    def _encoded(self, rows: Sequence[str] | Encoded) -> Encoded:
        return rows if isinstance(rows, Encoded) else self.prepare(rows)

    def _plan(self) -> fine_tuning.Plan:
        return fine_tuning.Plan(
            self.epochs, self.batch_size, self.learning_rate, self.warmup, self.patience, self.seed
        )

    def _apart(self, labels: Labels) -> npt.NDArray[np.bool_]:
        """The learning rows that judge the epochs, the same share of each label."""
        apart = np.zeros(len(labels), dtype=bool)
        if not self.patience:
            return apart
        rng = np.random.default_rng(self.seed)
        for label in (0, 1):
            of_label = np.flatnonzero(labels == label)
            count = round(self.held_out * len(of_label))
            if not 0 < count < len(of_label):
                raise CandidateError(
                    f"held_out={self.held_out}: {count} of {len(of_label)} learning rows of label {label}: "
                    "bring more rows, or set patience = 0"
                )
            apart[rng.choice(of_label, count, replace=False)] = True
        return apart
