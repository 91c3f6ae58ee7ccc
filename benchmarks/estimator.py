"""Our estimator against scikit-learn's TF-IDF pipeline: quality on the same folds, speed in the same run.

Usage: python -m benchmarks.estimator [CSV]   (default: CHATMOD_TEST_DATA, else the project's own sample)
Prints mean ROC-AUC over 5 x 5 stratified folds with fixed seeds, CPU time of single messages (p50, p99,
cleaning included) and messages a CPU second in batches. From the sample, figures say nothing about quality.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import FeatureUnion, make_pipeline

from modeling.candidates.hashed_linear import HashedLinearClassifier
from modeling.data import read_comments
from modeling.ngrams import count_ngrams
from modeling.scorer import HashedLinearScorer
from modeling.text import clean
from tests.settings import TEST

SEEDS = range(5)
SINGLE, BATCH = 1_000, 2_000


def baseline(C: float = 4.0) -> Any:  # noqa: N803
    """The pipeline everyone knows: TF-IDF of words (1, 2) and char_wb (2, 5), logistic regression."""
    union = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)),
        ]
    )
    return make_pipeline(union, LogisticRegression(C=C, max_iter=1_000))


def quality(texts: Any, labels: Any) -> tuple[list[float], list[float]]:
    """ROC-AUC of both on each of 25 folds."""
    counts, ours, theirs = count_ngrams(list(texts)), [], []
    for seed in SEEDS:
        for learn, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(texts, labels):
            chosen = np.zeros(len(texts), dtype=bool)
            chosen[learn] = True
            fitted = HashedLinearClassifier().fit(counts.select(chosen), labels[chosen])
            raw = fitted.decision_function(counts.select(~chosen))
            ours.append(float(roc_auc_score(labels[~chosen], raw)))
            rival = baseline().fit(texts[learn], labels[learn])
            theirs.append(float(roc_auc_score(labels[test], rival.decision_function(texts[test]))))
        print(f"seed {seed}: ours {np.mean(ours[-5:]):.4f}, TF-IDF {np.mean(theirs[-5:]):.4f}", flush=True)
    return ours, theirs


def single_ms(score: Callable[[list[str]], Any], texts: list[str]) -> np.ndarray[Any, Any]:
    """CPU milliseconds of each message on its own."""
    taken = []
    for text in texts:
        started = time.process_time_ns()
        score([text])
        taken.append(time.process_time_ns() - started)
    return np.array(taken) / 1e6


def batch_rate(score: Callable[[list[str]], Any], texts: list[str]) -> float:
    """Messages a CPU second, all at once."""
    started = time.process_time()
    score(texts)
    return len(texts) / (time.process_time() - started)


def main() -> None:
    """Print both tables."""
    sample = sorted(Path(__file__).parent.parent.glob("workflow/sample/*.csv"))
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else TEST.data
    frame = read_comments([chosen] if chosen else sample).used
    texts, labels = frame["text"].to_numpy(dtype=object), frame["label"].to_numpy()
    print(f"{chosen.name if chosen else 'the sample (says nothing about quality)'}: {len(texts):,} rows")
    ours, theirs = quality(texts, labels)
    gains = np.array(ours) - np.array(theirs)
    print(f"mean ROC-AUC over 25 folds: ours {np.mean(ours):.4f}, TF-IDF {np.mean(theirs):.4f}")
    print(f"better on {np.sum(gains > 0)} of 25 folds, mean gain {gains.mean():+.4f} (sd {gains.std():.4f})")
    scorer = HashedLinearScorer(HashedLinearClassifier().fit(list(texts), labels).weights())
    rival = baseline().fit(texts, labels)
    rounds = []
    for number in range(3):
        mine = single_ms(scorer.score, list(texts[:SINGLE]))
        other = single_ms(
            lambda some: rival.predict_proba([clean(text) for text in some]), list(texts[:SINGLE])
        )
        rounds.append(np.median(other) / np.median(mine))
        print(
            f"round {number}: one message, CPU ms p50/p99: ours {np.median(mine):.3f}/"
            f"{np.percentile(mine, 99):.3f}, TF-IDF {np.median(other):.3f}/{np.percentile(other, 99):.3f}: "
            f"{rounds[-1]:.1f} times faster"
        )
    fast = batch_rate(scorer.score, list(texts[:BATCH]))
    slow = batch_rate(lambda some: rival.predict_proba([clean(text) for text in some]), list(texts[:BATCH]))
    print(f"batch, messages a CPU second: ours {fast:,.0f}, TF-IDF {slow:,.0f}")
    print(f"median ratio for one message: {np.median(rounds):.1f} (aim 15)")


if __name__ == "__main__":
    main()
