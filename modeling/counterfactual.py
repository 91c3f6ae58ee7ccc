"""Does a score hang on who a message is about? Identity terms swapped, in templates and real messages.

Two texts that differ in one identity term alone are a pair. A fair score is the same for both (Garg et al.
2019, "Counterfactual Fairness in Text Classification through Robustness"; the templates follow Dixon et al.
2018, "Measuring and Mitigating Unintended Bias in Text Classification"). Terms, templates and what is
neutral about them stand in `modeling.wordlists`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from modeling import resampling
from modeling.hashing import Floats
from modeling.policy import wilson_lower
from modeling.wordlists import IDENTITY, PEOPLE, TEMPLATES, Term

Score = Callable[[Sequence[str]], Floats]
# Messages of one term beyond these say little more, and a large encoder would take minutes for them.
MESSAGES: Final = 40
_BEFORE_PEOPLE: Final = rf"(?=[\s-]+(?:{'|'.join(PEOPLE)})\b)"


@dataclass(frozen=True)
class Pair:
    """Two texts that differ in one term alone."""

    terms: tuple[str, str]
    from_template: bool
    change: float
    flips: bool


def counterfactual(
    score: Score, texts: Sequence[str], scores: Floats, thresholds: Sequence[float], resamples: int, seed: int
) -> dict[str, Any]:
    """How much scores change, and how often the action does, when a term is swapped for another of its group.

    Args:
        score: texts to probabilities.
        texts: of the test part, cleaned.
        scores: of these texts.
        thresholds: scores from which an action fires; none where all are off, and then no action changes.
        resamples: of the bootstrap for the mean change.
        seed: of the bootstrap.

    Returns:
        ``terms`` (each with the pairs that it is part of), and over all pairs ``largest_change``,
        ``flip_rate`` with its 95 % Wilson interval, ``flips``, ``pairs``; the same for ``templates`` and
        ``messages`` alone.

    """
    levels = np.sort(np.asarray(thresholds, dtype=np.float64))
    found, in_templates = _template_pairs(score, levels)
    found += _message_pairs(score, texts, scores, levels)
    terms = [
        {
            "term": term.phrase,
            "group": group,
            "template_score": in_templates[term.phrase],
            **_of_term([pair for pair in found if term.phrase in pair.terms], resamples, seed),
        }
        for group, members in IDENTITY.items()
        for term in members
    ]
    return {
        "terms": terms,
        **_summary(found),
        "templates": _summary([pair for pair in found if pair.from_template]),
        "messages": _summary([pair for pair in found if not pair.from_template]),
    }


def _template_pairs(score: Score, levels: Floats) -> tuple[list[Pair], dict[str, float]]:
    """Every two terms of a group in each template, and each term's mean score over the templates."""
    people = [term.phrase for members in IDENTITY.values() for term in members]
    filled = score([template.format(person=person) for person in people for template in TEMPLATES])
    by_term = dict(zip(people, filled.reshape(len(people), len(TEMPLATES)), strict=True))
    pairs = [
        _pair((one.phrase, other.phrase), first, second, levels, from_template=True)
        for members in IDENTITY.values()
        for one, other in combinations(members, 2)
        for first, second in zip(by_term[one.phrase], by_term[other.phrase], strict=True)
    ]
    return pairs, {person: float(np.mean(found)) for person, found in by_term.items()}


def _message_pairs(score: Score, texts: Sequence[str], scores: Floats, levels: Floats) -> list[Pair]:
    copies = list(_swapped(texts))
    if not copies:
        return []
    after = score([text for _, _, text in copies])
    return [
        _pair(terms, scores[row], changed, levels, from_template=False)
        for (row, terms, _), changed in zip(copies, after, strict=True)
    ]


def _swapped(texts: Sequence[str]) -> Iterator[tuple[int, tuple[str, str], str]]:
    """Row, terms and copy of each message in which a term stands that is swapped for one of its group."""
    for members in IDENTITY.values():
        for term in members:
            rows = [row for row, text in enumerate(texts) if occurs(term, text)]
            chosen = np.unique(np.linspace(0, len(rows) - 1, min(MESSAGES, len(rows))).round().astype(int))
            for row in (rows[place] for place in chosen):
                for other in members:
                    if other is not term:
                        yield row, (term.phrase, other.phrase), swap(texts[row], term, other)


def occurs(term: Term, text: str) -> bool:
    """Whether a text is about people of this group; an ambiguous word counts before one for people only."""
    return _pattern(term).search(text) is not None


def swap(text: str, term: Term, other: Term) -> str:
    """The text with every occurrence of a term put in the other's place, in the same number and case."""

    def put(match: re.Match[str]) -> str:
        stood = match[0]
        is_plural = bool(term.plural) and stood.lower() == term.plural.lower() != term.word.lower()
        word = (other.plural or f"{other.word} people") if is_plural else other.word
        if stood.isupper():
            return word.upper()
        return word[0].upper() + word[1:] if stood[0].isupper() else word.lower()

    return _pattern(term).sub(put, text)


def _pattern(term: Term) -> re.Pattern[str]:
    if term.needs_person:
        return re.compile(rf"\b{re.escape(term.word)}\b{_BEFORE_PEOPLE}", re.IGNORECASE)
    words = [term.word, term.plural] if term.plural else [term.word]
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE)


def _pair(
    terms: tuple[str, str], first: float, second: float, levels: Floats, *, from_template: bool
) -> Pair:
    before, after = np.searchsorted(levels, [first, second], side="right")
    return Pair(terms, from_template, abs(float(second - first)), bool(before != after))


def _of_term(pairs: Sequence[Pair], resamples: int, seed: int) -> dict[str, Any]:
    changes = np.array([pair.change for pair in pairs])
    mean = resampling.mean(changes, resamples, seed)
    flips = sum(pair.flips for pair in pairs)
    return {
        "templates": sum(pair.from_template for pair in pairs),
        "messages": sum(not pair.from_template for pair in pairs),
        "largest_change": float(changes.max()),
        "mean_change": mean.value,
        "mean_change_low": mean.low,
        "mean_change_high": mean.high,
        "flip_rate": flips / len(pairs),
        "flips": flips,
    }


def _summary(pairs: Sequence[Pair]) -> dict[str, Any]:
    flips, count = sum(pair.flips for pair in pairs), len(pairs)
    return {
        "pairs": count,
        "largest_change": max((pair.change for pair in pairs), default=0.0),
        "flips": flips,
        "flip_rate": flips / count if count else 0.0,
        "flip_rate_low": wilson_lower(flips, count),
        "flip_rate_high": 1 - wilson_lower(count - flips, count) if count else 1.0,
    }
