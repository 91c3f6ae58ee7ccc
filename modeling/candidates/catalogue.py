"""The candidates by name, with the parameters each takes. Light: what fits is imported by `build` alone."""

import difflib
import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from modeling.candidates.interface import Candidate
from modeling.exceptions import CandidateError
from modeling.split import FOLDS

LARGEST: Final = 1e6


@dataclass(frozen=True)
class Parameter:
    """What a parameter may be: ``fits`` says whether a value is such, ``wanted`` says it in words."""

    fits: Callable[[Any], bool]
    wanted: str


def number(low: float, high: float = LARGEST) -> Parameter:
    """A number from ``low`` to ``high``, both included."""
    return Parameter(
        lambda value: _is_number(value) and low <= value <= high, f"a number from {low:g} to {high:g}"
    )


def whole(low: int, high: int = int(LARGEST)) -> Parameter:
    """A whole number from ``low`` to ``high``, both included."""
    return Parameter(
        lambda value: isinstance(value, int) and _is_number(value) and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def choice(*values: str) -> Parameter:
    """One of a few words."""
    return Parameter(lambda value: value in values, f"one of {', '.join(values)}")


def switch() -> Parameter:
    """True or false."""
    return Parameter(lambda value: isinstance(value, bool), "true or false")


def words() -> Parameter:
    """A text that is not empty."""
    return Parameter(lambda value: isinstance(value, str) and bool(value.strip()), "a text")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# By family: a module of that name beside this one, whose `build` takes these parameters.
FAMILIES: Final[Mapping[str, Mapping[str, Parameter]]] = {
    "hashed_linear": {
        "C": number(1 / LARGEST),
        "style": switch(),
        "style_C": number(1 / LARGEST),
        "idf_power": number(0.0, 4.0),
        "tol": number(1e-12, 1.0),
        "max_iter": whole(1),
    },
    "tfidf": {
        "C": number(1 / LARGEST),
        "max_iter": whole(1),
        "min_df": whole(1),
    },
    "transformer": {
        "model": words(),
        "max_length": whole(8, 8192),
        "epochs": whole(1, 100),
        "batch_size": whole(1, 1024),
        "learning_rate": number(1e-7, 1e-2),
        "warmup": number(0.0, 0.9),
        "patience": whole(0, 100),
        "held_out": number(0.01, 0.5),
        "calibration_folds": whole(1, FOLDS),
        "onnx": choice("float32", "int8"),
        "seed": whole(0, 2**31 - 1),
    },
}


def check(family: object, parameters: Mapping[str, Any]) -> None:
    """Whether there is such a family, and it takes these parameters.

    Raises:
        CandidateError: names the family or parameter, its value, and what would do.

    """
    if not isinstance(family, str) or family not in FAMILIES:
        raise CandidateError(f"family={family!r} is unknown: use {_near(str(family), FAMILIES)}")
    known = FAMILIES[family]
    for name, value in parameters.items():
        if name not in known:
            raise CandidateError(f"{name}={value!r} is no parameter of {family}: use {_near(name, known)}")
        if not known[name].fits(value):
            raise CandidateError(f"{name}={value!r}: give {known[name].wanted}")


def build(family: str, parameters: Mapping[str, Any]) -> Candidate:
    """The unfitted candidate.

    Raises:
        CandidateError: there is no such family, or a parameter cannot be used.

    """
    check(family, parameters)
    module = importlib.import_module(f"modeling.candidates.{family}")
    return cast("Candidate", module.build(dict(parameters)))


def _near(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return close[0] if close else f"one of {', '.join(sorted(known))}"
