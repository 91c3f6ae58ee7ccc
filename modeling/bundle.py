"""Save and load one directory: weights, policy and passport. Refuses what was altered; runs no code on load.

A bundle's digest is the sha256 over the sorted names and sha256 of its files; ``MLmodel`` and other
files that MLflow adds beside them do not count.
"""

import hashlib
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from modeling.exceptions import BundleError, PolicyError
from modeling.policy import Policy, decide, policy_from_json

if TYPE_CHECKING:
    import pandas as pd

    from modeling.explain import Explanation

PASSPORT: Final = "passport.json"
POLICY: Final = "policy.json"
WEIGHTS: Final = "weights.safetensors"
FILES: Final = (WEIGHTS, POLICY, PASSPORT)
UNSEALED: Final = "unsealed"
# A loader is imported only when a bundle of its kind is met, so that serving stays slim.
LOADERS: Final = {
    "hashed-linear": "modeling.scorer",
    "onnx-transformer": "modeling.onnx_scorer",
    "tfidf-linear": "modeling.tfidf_scorer",
}


class Scorer(Protocol):
    """Texts to probabilities."""

    def score(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """Attribute to scores, each of shape (len(texts),), of raw texts."""


@runtime_checkable
class Explainer(Protocol):
    """A scorer that can say why; a kind need not."""

    def explain(self, text: str, cuts: Sequence[int] = ()) -> dict[str, "Explanation"]:
        """Attribute to explanation of a raw text's score; no token goes across one of ``cuts``."""


@dataclass(frozen=True)
class Bundle:
    """A loaded, verified bundle."""

    kind: str
    policy: Policy
    passport: Mapping[str, Any]
    digest: str
    scorer: Scorer

    def score(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """Attribute to scores (0..1), each of shape (len(texts),); texts are cleaned here."""
        return self.scorer.score(texts)

    def explain(self, text: str, cuts: Sequence[int] = ()) -> dict[str, "Explanation"] | None:
        """Attribute to explanation of its score; None where this kind of model cannot explain itself."""
        return self.scorer.explain(text, cuts) if isinstance(self.scorer, Explainer) else None


def save(directory: Path, weights: Mapping[str, bytes], policy: Policy, passport: Mapping[str, Any]) -> str:
    """Write a bundle under its final name only once it is whole, and return its digest.

    Args:
        directory: to be made.
        weights: content by file name, whatever the kind's loader reads.
        policy: what scores lead to.
        passport: where the bundle came from; ``kind`` names its loader, ``requires`` the distributions
            that the loader needs beside the library's own.

    Raises:
        BundleError: the directory exists, a name cannot be used, or it cannot be written (a full disk, say).

    """
    if directory.exists():
        raise BundleError(f"{directory}: exists already: give a new directory")
    odd = [name for name in weights if Path(name).name != name or name in {"", "..", POLICY, PASSPORT}]
    if odd:
        raise BundleError(f"weights {odd[0]!r}: is no name for a weight file: use another")
    contents = {**weights, POLICY: policy.to_json().encode()}
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    stated = {**passport, "files": files, "seal": UNSEALED}
    contents[PASSPORT] = _sealed(json.dumps(stated, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    unfinished: Path | None = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".bundle-", dir=directory.parent))
        for name, content in contents.items():
            _write(unfinished / name, content)
        unfinished.chmod(0o755)
        unfinished.rename(directory)
    except OSError as error:
        raise BundleError(f"{directory}: {error.strerror or error}: make room and try again") from error
    finally:
        if unfinished is not None and unfinished.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
    return digest_of(directory)


def digest_of(directory: Path) -> str:
    """The bundle digest (64 hexadecimal digits) of what lies in a directory now.

    Raises:
        BundleError: a file is missing or cannot be read.

    """
    passport = _passport(directory)
    return _digest({name: _sha256(directory / name) for name in (*passport["files"], PASSPORT)})


def stated_digest(directory: Path) -> str:
    """The digest of the bundle whose passport alone lies in a directory, if its files are what that says.

    Raises:
        BundleError: the passport is missing or altered.

    """
    stated = {**_passport(directory)["files"], PASSPORT: _sha256(directory / PASSPORT)}
    return _digest(stated)


def _digest(files: Mapping[str, str]) -> str:
    lines = "".join(f"{name} {files[name]}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def load(directory: Path) -> Bundle:
    """Verify every file against the passport, then read policy and weights.

    Raises:
        BundleError: no bundle there, a file is missing or altered, or its kind is unknown.

    """
    passport = _passport(directory)
    _verify(directory, passport["files"])
    kind = passport.get("kind")
    if kind not in LOADERS:
        known = ", ".join(sorted(LOADERS))
        raise BundleError(f"{directory / PASSPORT}: kind={kind!r} is none of {known}: update the service")
    try:
        policy = policy_from_json((directory / POLICY).read_text(encoding="utf-8"))
    except PolicyError as error:
        raise BundleError(f"{directory / POLICY}: {error}") from error
    return Bundle(kind, policy, passport, digest_of(directory), scorer_of(directory, passport))


def scorer_of(directory: Path, passport: Mapping[str, Any]) -> Scorer:
    """The scorer of weight files that need not be a bundle yet; ``passport`` has ``kind`` and ``requires``.

    Raises:
        BundleError: a distribution that the kind requires is not installed, or a file cannot be used.

    """
    kind, missing = passport["kind"], [name for name in passport.get("requires", ()) if not _has(name)]
    if missing:
        raise BundleError(
            f"{directory / PASSPORT}: kind={kind!r} requires {', '.join(missing)}, which is not installed "
            f"here: pip install {' '.join(missing)}, or serve a bundle that does without"
        )
    scorer: Scorer = importlib.import_module(LOADERS[kind]).load(directory, passport)
    return scorer


def _has(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _load_pyfunc(directory: str) -> "_PyFunc":
    return _PyFunc(load(Path(directory)))


class _PyFunc:
    """What MLflow's python_function flavour calls."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> "pd.DataFrame":  # noqa: ARG002
        """One row a text: ``score``, ``action``, ``rule``; the input has a column ``text``."""
        import pandas as pd

        scores = self._bundle.score([str(text) for text in model_input["text"]])
        rows = [dict(zip(scores, row, strict=True)) for row in zip(*scores.values(), strict=True)]
        verdicts = [decide(row, self._bundle.policy) for row in rows]
        return pd.DataFrame(
            {
                "score": next(iter(scores.values())),
                "action": [action for action, _ in verdicts],
                "rule": [rule for _, rule in verdicts],
            }
        )


def _passport(directory: Path) -> dict[str, Any]:
    path = directory / PASSPORT
    try:
        content = path.read_bytes().decode("utf-8")
        passport: dict[str, Any] = json.loads(content)
        names, seal = dict(passport["files"]), str(passport["seal"])
    except FileNotFoundError as error:
        raise BundleError(f"{path}: no bundle there: train one (make train) or name its directory") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read ({error}): fetch the bundle again") from error
    if content.encode() != _sealed(content.replace(_entry(seal), _entry(UNSEALED))):
        raise BundleError(f"{path}: the seal does not match: the file was altered; fetch the bundle again")
    outside = [name for name in names if Path(name).name != name or name == PASSPORT]
    if outside or POLICY not in names:
        raise BundleError(f"{path}: files={sorted(names)} is not a bundle's list: fetch the bundle again")
    return passport


def _sealed(stated: str) -> bytes:
    """An unsealed passport's text with the sha256 over itself put in."""
    seal = hashlib.sha256(stated.encode()).hexdigest()
    return stated.replace(_entry(UNSEALED), _entry(seal)).encode()


def _entry(seal: str) -> str:
    return f'"seal": "{seal}"'


def _verify(directory: Path, files: Mapping[str, str]) -> None:
    for name, stated in files.items():
        actual = _sha256(directory / name)
        if actual != stated:
            raise BundleError(
                f"{directory / name}: sha256 {actual[:12]}… is not the passport's {str(stated)[:12]}…: "
                "the file was altered or cut off; fetch the bundle again"
            )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror or error}: fetch the bundle again") from error


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
