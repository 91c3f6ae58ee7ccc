"""No text takes more than linear time, in anything that a request does with it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modeling import bundle
from modeling.text import readings
from prediction_service.languages import detect
from prediction_service.sentences import sentences

CHARACTERS = 20_000
UNITS = [
    *("edit ", "&amp;", "&amp;amp;", "&#0038;", "<U+", "<U+0041>", "<U+003C>U+", "\n*", "\n((edit", " edit:"),
    *(". ", ".)", "...", "! ", "e.g. ", "\u3002", "\r\n", " ", "\u200b", "\u0301", "\u200d", "\U0001f600"),
    *("a", "a.b ", "\u0130", "\ufdfa", "\u3042", "EDIT 1:\n", "]  edit)))", "&", "\x85", "w1 "),
    *("a-", "A", "!?", "www.", "a'"),
]


def cpu(work: Callable[[str], object], text: str) -> float:
    """The least of three, so that a busy machine counts once."""
    spent = []
    for _ in range(3):
        started = time.process_time()
        work(text)
        spent.append(time.process_time() - started)
    return min(spent)


@pytest.mark.parametrize("unit", UNITS)
def test_four_times_the_text_takes_about_four_times_as_long(unit: str, bundle_dir: Path) -> None:
    loaded = bundle.load(bundle_dir)
    once, four = (unit * (size // len(unit)) + "x edit:" for size in (CHARACTERS, 4 * CHARACTERS))
    works: list[Callable[[str], Any]] = [readings, sentences, detect, loaded.explain]
    for work in (*works, lambda text: loaded.score([text])):
        # quadratic time would be sixteen times as long
        assert cpu(work, four) < 10 * max(cpu(work, once), 2e-3), work
