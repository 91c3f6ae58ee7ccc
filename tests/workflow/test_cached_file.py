"""A file of the cache: what arrives, what is kept, and what is refused."""

from pathlib import Path

import pytest

from workflow.cached_file import CachedFile, IncompleteError, Remote

WHOLE = b"text,removed\nhello,0\n"
REMOTE = Remote(validator="v1", size=len(WHOLE))


@pytest.fixture
def file(tmp_path: Path) -> CachedFile:
    return CachedFile(tmp_path / "a.csv")


def test_a_whole_file_moves_to_its_name_and_proves_itself(file: CachedFile) -> None:
    assert file.state() == "absent"
    file.write(REMOTE, [WHOLE[:5], WHOLE[5:]])
    assert file.state() == "absent"
    file.finish(REMOTE)
    assert file.state() == "whole"
    assert {"a.csv", "a.csv.json"} == {path.name for path in file.path.parent.iterdir()}


def test_fewer_bytes_than_announced_stay_a_part(file: CachedFile) -> None:
    file.write(REMOTE, [WHOLE[:-1]])
    with pytest.raises(IncompleteError, match=r"a.csv was cut at 20 of 21 bytes"):
        file.finish(REMOTE)
    assert file.state() == "absent"
    assert file.arrived(REMOTE) == len(WHOLE) - 1


def test_more_bytes_than_announced_are_thrown_away(file: CachedFile) -> None:
    file.write(REMOTE, [WHOLE, b"x"])
    with pytest.raises(IncompleteError, match=r"a.csv arrived damaged"):
        file.finish(REMOTE)
    assert list(file.path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "other",
    [Remote("v2", len(WHOLE)), Remote("v1", len(WHOLE) + 1), Remote(None, len(WHOLE)), Remote("v1", None)],
)
def test_a_part_counts_only_for_the_very_file_it_came_from(file: CachedFile, other: Remote) -> None:
    file.write(REMOTE, [WHOLE[:5]])
    assert file.arrived(REMOTE) == 5
    assert file.arrived(other) == 0


def test_a_part_continues_behind_its_first_bytes_and_drops_the_rest(file: CachedFile) -> None:
    file.write(REMOTE, [WHOLE[:9]])
    file.write(REMOTE, [WHOLE[5:]], offset=5)
    file.finish(REMOTE)
    assert file.path.read_bytes() == WHOLE


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"size": 21}'])
def test_a_file_without_a_readable_record_proves_nothing(file: CachedFile, record: str) -> None:
    file.path.write_bytes(WHOLE)
    file.path.with_name("a.csv.json").write_text(record)
    assert file.state() == "altered"
