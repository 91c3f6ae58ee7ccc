"""The moderator: a batch of texts in, a batch of decisions out. Knows no HTTP and no registry."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from modeling.bundle import Bundle
from modeling.policy import Decision, decide
from prediction_service.attributes import catalogue
from prediction_service.calibration import Calibration, Link
from prediction_service.exceptions import ServiceError
from prediction_service.score_cache import ScoreCache

SELF_TEST: Final = ("Thank you, that paper answers my question.", "you absolute idiot, delete your account")
SELF_TEST_TOLERANCE: Final = 1e-9
ID_BYTES: Final = 16


def _nothing(_seconds: float) -> None: ...


@dataclass(frozen=True)
class Moderator:
    """One bundle under one version: scores a whole batch in one call, then asks the policy.

    ``timed`` is told how long each scoring call took; ``mapping`` is what the operator says attribute
    names stand for, and ``calibration`` what puts scores under such names on a client's old scale;
    ``cache`` keeps scores of texts that may come again.
    """

    bundle: Bundle
    model_version: str
    timed: Callable[[float], None] = _nothing
    mapping: Mapping[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None
    cache: ScoreCache | None = None

    @cached_property
    def policy_version(self) -> str:
        """The policy's version; cached, since it is a hash over the policy's JSON."""
        return self.bundle.policy.version

    @cached_property
    def attributes(self) -> Mapping[str, str]:
        """What a client may ask for, by name, and the head that answers.

        Raises:
            ServiceError: the operator names a head that the bundle does not have.

        """
        return catalogue(self.mapping, list(self.bundle.score([])))

    @cached_property
    def links(self) -> Mapping[str, Link]:
        """The names whose values are on a client's old scale.

        Raises:
            CalibrationError: the calibration is for another bundle, or for a name that nobody answers for.

        """
        if self.calibration is None:
            return {}
        return self.calibration.links_for(self.attributes, self.bundle.digest)

    def value(self, decision: Decision, name: str) -> float:
        """What a client that asks for this attribute is told, 0..1, on its old scale where there is a link.

        Raises:
            KeyError: nobody answers for that name.

        """
        score = decision.scores[self.attributes[name]]
        link = self.links.get(name)
        return score if link is None else link(score)

    def acts_on(self, decision: Decision, head: str) -> bool:
        """Whether the policy would act upon this head's score alone."""
        return decide({head: decision.scores[head]}, self.bundle.policy)[0] != "allow"

    def moderate(self, texts: Sequence[str]) -> list[Decision]:
        """A decision for each text, in their order."""
        rows = (
            self.cache.through(self._seal, texts, self._score)
            if self.cache is not None
            else self._score(texts)
        )
        return [
            Decision(
                name, *decide(scores, self.bundle.policy), scores, self.model_version, self.policy_version
            )
            for name, scores in zip(_ids(len(texts)), rows, strict=True)
        ]

    def _score(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        started = time.perf_counter()
        scores = self.bundle.score(texts)
        self.timed(time.perf_counter() - started)
        rows = zip(*(values.tolist() for values in scores.values()), strict=True)
        return [dict(zip(scores, row, strict=True)) for row in rows]

    @cached_property
    def _seal(self) -> bytes:
        return bytes.fromhex(self.bundle.digest)


def _ids(count: int) -> Iterator[str]:
    """Random names of 128 bits, from one call to the kernel."""
    noise = os.urandom(ID_BYTES * count).hex()
    return (noise[start : start + 2 * ID_BYTES] for start in range(0, len(noise), 2 * ID_BYTES))


def self_test(moderator: Moderator) -> None:
    """Look up the attributes, and score two fixed messages, together and alone, before anybody else's.

    Raises:
        ServiceError: the bundle lacks a head, is not the calibration's, or decides otherwise in a batch.

    """
    _ = moderator.attributes, moderator.links
    together = moderator.moderate(SELF_TEST)
    alone = [moderator.moderate([text])[0] for text in SELF_TEST]
    for one, other in zip(together, alone, strict=True):
        for name, score in one.scores.items():
            if not math.isclose(score, other.scores[name], abs_tol=SELF_TEST_TOLERANCE):
                raise ServiceError(
                    f"self-test {name}={score!r} in a batch and {other.scores[name]!r} alone: "
                    "do not serve this bundle, train it again"
                )
