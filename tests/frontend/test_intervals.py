"""Intervals of shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.evidence import Figure
from frontend.intervals import of_share, told
from modeling.policy import wilson_lower


def test_the_interval_is_wilsons() -> None:
    found = of_share(0.1, 10)  # the textbook's example: 1 of 10
    assert (0.1, pytest.approx(0.0179, abs=5e-5), pytest.approx(0.4042, abs=5e-5)) == (
        found.value,
        found.low,
        found.high,
    )


@given(st.integers(1, 5000), st.data())
def test_a_share_lies_within_its_interval_and_its_low_end_is_the_policys(
    trials: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, trials))
    found = of_share(successes / trials, trials)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert wilson_lower(successes, trials) == pytest.approx(found.low, abs=1e-9)


def test_where_nothing_was_counted_there_is_no_figure() -> None:
    assert Figure() == of_share(0.5, 0) == of_share(None, 10)


def test_figures_are_told_with_their_intervals() -> None:
    assert "0.810 [0.790, 0.830]" == told(Figure(value=0.81, low=0.79, high=0.83))
    assert "0.810" == told(Figure(value=0.81))
    assert "none" == told(Figure()) == told(None)
