"""What the gate leaves behind: verdict, rules, data and names, as JSON that has an identity. Pure."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from modeling.exceptions import GateError
from modeling.receipt_page import between, page, shown

Verdict = Literal["promote", "refuse", "inconclusive"]
RuleVerdict = Literal["passed", "violated", "unproven", "not applicable"]
Value = float | int | str | None
EXIT_CODES: Final[Mapping[Verdict, int]] = {"promote": 0, "refuse": 3, "inconclusive": 4}
RULE_VERDICTS: Final = ("passed", "violated", "unproven", "not applicable")
ID_DIGITS: Final = 16


@dataclass(frozen=True)
class RuleResult:
    """One rule: what was found, with its interval and limit, and what follows.

    ``share`` of the resamples speak against a difference: the smaller, the surer.
    """

    name: str
    title: str
    value: Value
    low: float | None
    high: float | None
    limit: Value
    verdict: RuleVerdict
    reason: str
    share: float | None = None

    @property
    def sentence(self) -> str:
        """Title, value, interval and reason."""
        value = " ".join(part for part in (shown(self.value), between(self.low, self.high)) if part)
        return f"{self.title}: {value}, {self.reason}" if value else f"{self.title}: {self.reason}"


@dataclass(frozen=True)
class Receipt:
    """A verdict with all that led to it.

    Attributes:
        verdict: what is done: promote, refuse or inconclusive (the last two keep the champion).
        reason: why, in one sentence.
        rules: every rule, also those that passed or did not apply.
        candidate: name, digest and facts of the candidate.
        champion: the same of the champion, None where there is none.
        data: name, sha256 and part of the rows, their number, how many were removed.
        limits: the rules' tables as they were.
        who: asked for the verdict.
        at: ISO time.
        forced: reason, ``by`` and ``second`` of a forced promotion, with the verdict that it overrode.

    """

    verdict: Verdict
    reason: str
    rules: tuple[RuleResult, ...]
    candidate: Mapping[str, Any]
    champion: Mapping[str, Any] | None
    data: Mapping[str, Any]
    limits: Mapping[str, Any]
    who: str
    at: str
    forced: Mapping[str, str] | None = None

    @property
    def sha256(self) -> str:
        """Of the receipt's JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the sha256 of the receipt's JSON."""
        return self.sha256[:ID_DIGITS]

    @property
    def exit_code(self) -> int:
        """What a command ends with; errors end with 2."""
        return EXIT_CODES[self.verdict]

    def to_json(self) -> str:
        """The receipt as canonical JSON: the same receipt gives the same bytes."""
        plain = asdict(self)
        return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """The receipt for whoever releases: verdict, why, each rule, data and names."""
        return page(self)


def force(receipt: Receipt, *, reason: str, by: str, second: str) -> Receipt:
    """The receipt of a promotion that people take upon themselves; every rule stays in it as it was.

    Raises:
        GateError: nothing is to be forced, there is no reason, or there are not two different names.

    """
    if receipt.verdict == "promote":
        state = "was forced already" if receipt.forced else "is promoted by the gate itself"
        raise GateError(f"{receipt.candidate['name']} {state}: there is nothing to force")
    said = {
        name: " ".join(text.split()) for name, text in (("reason", reason), ("by", by), ("second", second))
    }
    for name, text in said.items():
        if not text:
            wanted = "say why" if name == "reason" else "name a person"
            raise GateError(f"{name}={text!r}: a forced promotion needs a reason and two names, {wanted}")
    if said["by"].casefold() == said["second"].casefold():
        raise GateError(
            f"second={said['second']!r} is the same name as by={said['by']!r}: "
            "a forced promotion needs a second person"
        )
    return replace(receipt, verdict="promote", forced={**said, "verdict": receipt.verdict})


def receipt_from_json(text: str, expected: str) -> Receipt:
    """Read what `Receipt.to_json` wrote.

    Args:
        text: the JSON.
        expected: the receipt's id or sha256, from the version it is attached to.

    Raises:
        GateError: the text is no receipt, or not that one.

    """
    remedy = "take it from the run's artifacts as it was written"
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if len(expected) < ID_DIGITS or not found.startswith(expected):
        raise GateError(
            f"receipt {expected!r} has the content of {found[:ID_DIGITS]}: it was altered, {remedy}"
        )
    try:
        plain = json.loads(text)
        rules = tuple(RuleResult(**one) for one in plain.pop("rules"))
        receipt = Receipt(**plain, rules=rules)
        same = receipt.to_json() == text
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GateError(f"receipt {expected} cannot be read ({error}): {remedy}") from error
    if not same or receipt.verdict not in EXIT_CODES:
        raise GateError(f"receipt {expected} is not as a gate writes it: {remedy}")
    return receipt


def number(value: float) -> float | None:
    """A figure as JSON can hold it."""
    return float(value) if math.isfinite(value) else None
