"""What a message costs: messages one by one, chosen over the whole part; no time is asserted."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modeling.cost import MESSAGES, WARM_UP, cpu_milliseconds, machine
from modeling.hashing import Floats


def test_messages_are_scored_one_by_one_over_the_whole_part() -> None:
    asked: list[Sequence[str]] = []

    def score(texts: Sequence[str]) -> Floats:
        asked.append(list(texts))
        return np.zeros(len(texts))

    texts = [str(number) for number in range(1_000)]
    found = cpu_milliseconds(score, texts)
    assert {1} == {len(each) for each in asked}
    assert MESSAGES == found["messages"] == len(asked) - WARM_UP
    timed = [each[0] for each in asked[WARM_UP:]]
    assert ("0", "999") == (timed[0], timed[-1])
    assert 0 <= found["cpu_ms_p50"] <= found["cpu_ms_p99"]


def test_few_messages_are_all_there_are() -> None:
    assert 3 == cpu_milliseconds(lambda texts: np.zeros(len(texts)), ["a", "b", "c"])["messages"]


def test_the_machine_is_told_by_processor_and_cores(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor: 0\nmodel name\t: Some CPU\n\nprocessor: 1\nmodel name\t: Some CPU\n")
    assert "Some CPU, 2 cores" == machine(info)
    assert machine(tmp_path / "missing").endswith(" cores")
