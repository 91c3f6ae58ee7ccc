"""The file that people review before a run: what is read from it, and what is refused."""

from pathlib import Path

import pytest

from workflow.exceptions import SettingsError
from workflow.recipe import Recipe, read
from workflow.settings import Settings

GOOD = """\
[candidate]
name = "hashed_linear"
C = 2
[targets]
flag = 0.6
remove = 0.8
[evaluation]
resamples = 7
seed = 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read(path)
    return str(caught.value)


def test_a_recipe_is_what_the_file_says(file: Path) -> None:
    assert Recipe({"C": 2}, {"flag": 0.6, "remove": 0.8}, resamples=7, seed=0) == read(file)


def test_the_projects_own_recipe_asks_for_the_reviewed_targets() -> None:
    assert {"flag": 0.7, "remove": 0.9} == read(Settings().config).targets


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 0", "seeds = 0", r"[evaluation] seeds is unknown: use ['resamples', 'seed']"),
        ("C = 2", "penalty = 2", r"[candidate] penalty is unknown: use ['C', 'max_iter', 'name', 'tol']"),
        ("flag", "hide", r"[targets] hide is unknown: use ['flag', 'remove']"),
        ("[evaluation]", "[more]\nx = 1\n[evaluation]", "['more'] are unknown"),
        ("[candidate]", "[candidates]", "tables ['candidate'] are missing, ['candidates'] are unknown"),
        ("[candidate]", "targets = 3\n[candidate]", "cannot be read"),
        ("hashed_linear", "bert", "[candidate] name must be one of ['hashed_linear']"),
        ('name = "hashed_linear"', "", "[candidate] name must be one of ['hashed_linear']"),
        ('"hashed_linear"', "3", "[candidate] name must be one of ['hashed_linear']"),
        ('"hashed_linear"', '["x"]', "[candidate] name must be one of ['hashed_linear']"),
        ("C = 2", 'C = "high"', "[candidate] C='high': give a number above 0"),
        ("C = 2", "C = 0", "[candidate] C=0: give a number above 0"),
        ("C = 2", "C = nan", "[candidate] C=nan: give a number above 0"),
        ("C = 2", "C = inf", "[candidate] C=inf: give a number above 0"),
        ("C = 2", "C = true", "[candidate] C=True: give a number above 0"),
        ("C = 2", "max_iter = 1.5", "[candidate] max_iter=1.5: give a whole number above 0"),
        ("flag = 0.6", "flag = 1", "[targets] flag=1: give a number above 0 and below 1"),
        ("flag = 0.6", "flag = 0.0", "[targets] flag=0.0: give a number above 0 and below 1"),
        ("flag = 0.6", 'flag = "0.6"', "[targets] flag='0.6': give a number above 0 and below 1"),
        ("flag = 0.6", "", "[targets] flag=None: give a number above 0 and below 1"),
        ("remove = 0.8", "remove = 0.5", "[targets] remove=0.5 is below flag=0.6: raise it"),
        ("resamples = 7", "resamples = 0", "[evaluation] resamples=0: give a whole number above 0"),
        ("resamples = 7", "", "[evaluation] resamples=None: give a whole number above 0"),
        ("seed = 0", "seed = -1", "[evaluation] seed=-1: give a whole number of 0 or more"),
        ("seed = 0", "seed = true", "[evaluation] seed=True: give a whole number of 0 or more"),
        ("seed = 0", "seed = 0.0", "[evaluation] seed=0.0: give a whole number of 0 or more"),
    ],
)
def test_what_cannot_be_used_is_refused_by_table_key_and_value(
    file: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    said = refusal(file)
    assert message in said
    assert "mine.toml" in said


def test_a_table_that_is_a_value_is_refused(file: Path) -> None:
    file.write_text("targets = 3\nevaluation = 1\ncandidate = 'x'\n", encoding="utf-8")
    assert refusal(file) == "mine.toml: candidate='x': make it a table, [candidate]"


@pytest.mark.parametrize(
    "content", [b"[candidate", b"\xff\xfe[\0", None], ids=["no TOML", "no UTF-8", "no file"]
)
def test_a_file_that_cannot_be_read_is_refused_by_setting_and_path(file: Path, content: bytes | None) -> None:
    file.unlink() if content is None else file.write_bytes(content)
    said = refusal(file)
    assert said.startswith(f"CHATMOD_CONFIG={str(file)!r} cannot be read (")
    assert said.endswith("): name a TOML file")


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)
