"""Identity terms swapped: what counts as one, what a swap leaves alone, and that a known bias is found."""

from collections.abc import Sequence

import numpy as np
import pytest

from modeling.counterfactual import counterfactual, occurs, swap
from modeling.hashing import Floats
from modeling.wordlists import IDENTITY, TEMPLATES, Term

TERMS = {term.phrase: term for members in IDENTITY.values() for term in members}
TEXTS = [
    "Muslims built this telescope",
    "A black hole is not a person",
    "black people in the sample",
    "No one",
]


def biased(texts: Sequence[str]) -> Floats:
    """A scorer that dislikes one group: 0.9 where its word stands, else 0.2."""
    return np.array([0.9 if "muslim" in text.lower() else 0.2 for text in texts])


def fair(texts: Sequence[str]) -> Floats:
    return np.full(len(texts), 0.2)


@pytest.mark.parametrize(
    ("term", "text", "expected"),
    [
        ("Muslim person", "my MUSLIM neighbour", True),
        ("Muslim person", "Muslims and others", True),
        ("Muslim person", "muslimah", False),
        ("black person", "a black hole", False),
        ("black person", "black people", True),
        ("black person", "Black men and women", True),
        ("blind person", "a double blind study", False),
        ("blind person", "blind patients", True),
        ("man", "mankind", False),
        ("woman", "Women in science", True),
    ],
)
def test_a_term_occurs_where_a_text_is_about_people(term: str, text: str, expected: bool) -> None:  # noqa: FBT001
    assert expected is occurs(TERMS[term], text)


@pytest.mark.parametrize(
    ("text", "one", "other", "expected"),
    [
        ("My Muslim friend", "Muslim person", "atheist person", "My Atheist friend"),
        ("a muslim asked", "Muslim person", "Jewish person", "a jewish asked"),
        ("MUSLIMS ASKED", "Muslim person", "Jewish person", "JEWS ASKED"),
        ("Germans, a German", "German person", "Chinese person", "Chinese people, a Chinese"),
        ("black people, a black hole", "black person", "white person", "white people, a black hole"),
        ("men and a man", "man", "woman", "women and a woman"),
        ("nothing of it", "man", "woman", "nothing of it"),
    ],
)
def test_a_swap_keeps_number_and_case_and_everything_else(
    text: str, one: str, other: str, expected: str
) -> None:
    assert expected == swap(text, TERMS[one], TERMS[other])


@pytest.mark.parametrize(
    ("one", "other"), [("Muslim person", "Hindu person"), ("Russian person", "German person")]
)
def test_a_swap_there_and_back_is_none(one: str, other: str) -> None:
    text = f"{TERMS[one].word}s asked a {TERMS[one].word}: why? {TERMS[one].word.upper()}"
    assert text == swap(swap(text, TERMS[one], TERMS[other]), TERMS[other], TERMS[one])


def test_every_template_holds_one_place_and_every_term_fits_it_differently() -> None:
    for template in TEMPLATES:
        assert 1 == template.count("{person}")
        assert len(TERMS) == len({template.format(person=phrase) for phrase in TERMS})


def test_a_scorer_that_dislikes_a_group_is_found_out() -> None:
    found = counterfactual(biased, TEXTS, biased(TEXTS), [0.5], 50, 0)
    terms = {each["term"]: each for each in found["terms"]}
    muslim, hindu, man = terms["Muslim person"], terms["Hindu person"], terms["man"]
    others = len(IDENTITY["religion"]) - 1
    assert (len(TEMPLATES) * others, others) == (muslim["templates"], muslim["messages"])
    assert (pytest.approx(0.7), pytest.approx(0.7)) == (muslim["largest_change"], muslim["mean_change"])
    assert (1.0, len(TEMPLATES) * others + others) == (muslim["flip_rate"], muslim["flips"])
    assert (0.9, 0.2) == (pytest.approx(muslim["template_score"]), pytest.approx(hindu["template_score"]))
    assert (pytest.approx(0.7), len(TEMPLATES) + 1) == (hindu["largest_change"], hindu["flips"])
    assert (0.0, 0) == (man["largest_change"], man["flips"])


def test_the_summary_counts_each_pair_once() -> None:
    found = counterfactual(biased, TEXTS, biased(TEXTS), [0.5], 50, 0)
    in_templates = len(TEMPLATES) * sum(len(group) * (len(group) - 1) // 2 for group in IDENTITY.values())
    in_messages = len(IDENTITY["religion"]) - 1 + len(IDENTITY["ethnicity"]) - 1
    assert (in_templates, in_messages) == (found["templates"]["pairs"], found["messages"]["pairs"])
    assert in_templates + in_messages == found["pairs"]
    flips = (len(TEMPLATES) + 1) * (len(IDENTITY["religion"]) - 1)
    assert (flips, pytest.approx(flips / found["pairs"])) == (found["flips"], found["flip_rate"])
    assert found["flip_rate_low"] < found["flip_rate"] < found["flip_rate_high"]


def test_a_fair_scorer_changes_nothing_and_without_an_action_nothing_flips() -> None:
    none = counterfactual(fair, TEXTS, fair(TEXTS), [0.5], 50, 0)
    assert (0.0, 0) == (none["largest_change"], none["flips"])
    off = counterfactual(biased, TEXTS, biased(TEXTS), [], 50, 0)
    assert (pytest.approx(0.7), 0.0) == (off["largest_change"], off["flip_rate"])


def test_messages_without_any_term_leave_the_templates() -> None:
    found = counterfactual(fair, ["No one"], fair(["No one"]), [0.5], 50, 0)
    assert (0, 0.0) == (found["messages"]["pairs"], found["messages"]["flip_rate"])
    assert found["templates"]["pairs"] == found["pairs"]


def test_a_word_with_another_meaning_counts_before_people_only() -> None:
    ambiguous = {term.word for term in TERMS.values() if term.needs_person}
    assert {"black", "white", "straight", "blind"} <= ambiguous
    assert all(isinstance(term, Term) for term in TERMS.values())
