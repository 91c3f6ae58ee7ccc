"""A bundle's explanation as clients read it: by token, sentence and style, in UTF-16 code units. Pure."""

import math
from collections import defaultdict
from itertools import accumulate

import numpy as np

from modeling.bundle import Bundle
from prediction_service.sentences import NARROW, sentences
from prediction_service.wire import Contribution, Explanation, StyleContribution, TokenContribution


def explained(bundle: Bundle, text: str) -> Explanation | None:
    """What made the score of the bundle's first head; None where its kind of model cannot tell."""
    units = _units(text)
    spans = sentences(text)
    starts = np.searchsorted(units, [span.begin for span in spans]).tolist()
    found = bundle.explain(text, starts[1:])
    if found is None:
        return None
    attribute, one = next(iter(found.items()))
    by_sentence: dict[int, list[float]] = defaultdict(list)
    places = np.searchsorted(starts[1:], [each.begin for each in one.tokens], "right").tolist()
    for token, place in zip(one.tokens, places, strict=True):
        by_sentence[place].append(token.contribution)
    return Explanation(
        attribute=attribute,
        logit=one.logit,
        intercept=one.intercept,
        tokens=[
            TokenContribution(
                text=text[each.begin : each.end],
                begin=units[each.begin],
                end=units[each.end],
                contribution=each.contribution,
            )
            for each in one.tokens
        ],
        sentences=[
            Contribution(begin=span.begin, end=span.end, contribution=math.fsum(by_sentence[place]))
            for place, span in enumerate(spans)
        ],
        style=[StyleContribution(name=trait.name, contribution=trait.contribution) for trait in one.style],
    )


def _units(text: str) -> list[int]:
    """How many UTF-16 code units stand before each character, and before the end."""
    if not text or max(text) <= NARROW:
        return list(range(len(text) + 1))
    wide = (character > NARROW for character in text)
    return [0, *accumulate(1 + each for each in wide)]
