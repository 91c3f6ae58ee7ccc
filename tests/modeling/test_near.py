"""Near duplicates: what counts as one, that none is missed, and that templates cost no more."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.near import MOST, NEAR, near_any, overlap, shingles
from tests.corpus import NOUNS

LONG = "The reported effect is large, but the control group was small and nobody has repeated it since then."


def test_a_text_is_near_itself_and_near_the_same_with_other_case_and_marks() -> None:
    assert [True, True] == list(near_any([LONG, LONG.upper().replace(",", " --")], [LONG]))


def test_a_changed_word_keeps_a_long_text_near_and_takes_a_short_one_away() -> None:
    changed = LONG.replace("since then", "ever since")
    assert overlap(LONG, changed) >= NEAR
    assert [True, False] == list(near_any([changed, "Bad paper!"], [LONG, "Great paper!"]))


def test_another_text_is_not_near() -> None:
    assert [False] == list(near_any([LONG], ["Does figure two show the control group before or after?"]))
    assert [False] == list(near_any([LONG], []))
    assert 0 == len(near_any([], [LONG]))


def test_the_overlap_is_that_of_the_sets_of_shingles() -> None:
    assert 6 == len(shingles("abcdefgh ijkl"))
    assert 6 == len(shingles("ABCDEFGH, ijkl"))
    assert 1 == len(shingles("abc"))
    assert 1 / 3 == overlap("abcdefghi", "xbcdefghi")  # bcdefghi is shared, abcdefgh and xbcdefgh are not


def varied(rng: random.Random, text: str) -> str:
    words = text.split()
    for _ in range(rng.randrange(4)):
        words[rng.randrange(len(words))] = rng.choice(NOUNS)
    return " ".join(words)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_bands_find_what_comparing_every_pair_finds(seed: int) -> None:
    rng = random.Random(seed)
    others = [" ".join(rng.choice(NOUNS) for _ in range(25)) for _ in range(20)]
    texts = [varied(rng, rng.choice(others)) for _ in range(30)]
    expected = [any(overlap(text, other) >= NEAR for other in others) for text in texts]
    assert expected == list(near_any(texts, others))
    rng.shuffle(others)
    assert expected == list(near_any(texts, others))


def test_thousands_of_copies_of_a_template_are_found_by_comparing_with_a_few() -> None:
    template = (
        "Your comment was removed because it is a joke. Read the rules before you write again, number {}."
    )
    found = near_any(
        [template.format(n) for n in range(50)], [template.format(n) for n in range(50, 50 + 10 * MOST)]
    )
    assert np.all(found)
