"""Which raw texts carry traces of how they were collected."""

import pytest

from modeling.traces import has_artefacts


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain words, and more.", False),
        ("lines\n\nof text", False),
        ("R&D at AT&T", False),
        ("1 &lt; 2", True),
        ("it&#39;s", True),
        ("caf<U+00E9>", True),
        ("café", True),
        ("no\u00a0break", True),
        ("don\u00e2\u20ac\u2122t", True),
        ("left over\ufffd", True),
        ("Fine.\nEDIT: thanks", True),
        ("Edit: thanks for the gold", True),
        ("the edited genes", False),
        ("please edit: no", False),
    ],
)
def test_a_raw_text_has_artefacts(raw: str, expected: bool) -> None:  # noqa: FBT001
    assert expected is has_artefacts(raw)
