"""The file that people review before a run: what is read from it, and what is refused."""

import tomllib
from pathlib import Path

import pytest

from workflow.exceptions import SettingsError
from workflow.recipe import Recipe, read
from workflow.settings import Settings

GOOD = """\
[candidate]
name = "mine"
[targets]
flag = 0.6
remove = 0.8
[evaluation]
resamples = 7
seed = 0
"""
CANDIDATES = """\
[mine]
family = "hashed_linear"
C = 2
[other]
family = "hashed_linear"
"""


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(CANDIDATES, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def refusal(path: Path, candidates: Path, chosen: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        read(path, candidates, chosen)
    return str(caught.value)


def test_a_recipe_is_what_the_files_say(file: Path, candidates: Path) -> None:
    expected = Recipe("mine", "hashed_linear", {"C": 2}, {"flag": 0.6, "remove": 0.8}, resamples=7, seed=0)
    assert expected == read(file, candidates)


def test_another_candidate_can_be_chosen(file: Path, candidates: Path) -> None:
    chosen = read(file, candidates, "other")
    assert ("other", {}) == (chosen.name, chosen.parameters)


def test_the_projects_own_recipe_asks_for_the_reviewed_targets() -> None:
    assert {"flag": 0.7, "remove": 0.9} == read(Settings().config, Settings().candidates).targets


def test_every_candidate_of_the_project_can_be_chosen() -> None:
    ours = Settings()
    for name in tomllib.loads(ours.candidates.read_text(encoding="utf-8")):
        assert name == read(ours.config, ours.candidates, name).name


@pytest.mark.parametrize("clean", [True, False])
def test_cleaning_is_on_unless_the_file_says_otherwise(file: Path, candidates: Path, clean: bool) -> None:  # noqa: FBT001
    assert read(file, candidates).clean
    file.write_text(f"{GOOD}[preprocess]\nclean = {str(clean).lower()}\n", encoding="utf-8")
    assert clean == read(file, candidates).clean


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[targets]", "[preprocess]\n[targets]", "[preprocess] clean=None: use true or false"),
        ("[targets]", "[preprocess]\nclean = 1\n[targets]", "[preprocess] clean=1: use true or false"),
        (
            "[targets]",
            "[preprocess]\ncleans = true\n[targets]",
            "[preprocess] cleans is unknown: use ['clean']",
        ),
        ("seed = 0", "seeds = 0", r"[evaluation] seeds is unknown: use ['resamples', 'seed']"),
        ('name = "mine"', 'name = "mine"\nC = 2', r"[candidate] C is unknown: use ['name']"),
        ("flag", "hide", r"[targets] hide is unknown: use ['flag', 'remove']"),
        ("[evaluation]", "[more]\nx = 1\n[evaluation]", "['more'] are unknown"),
        ("[candidate]", "[candidates]", "tables ['candidate'] are missing, ['candidates'] are unknown"),
        ("[candidate]", "targets = 3\n[candidate]", "cannot be read"),
        ('"mine"', '"oter"', "[candidate] name='oter' is no candidate of some.toml: use other"),
        ('"mine"', '"bert"', "[candidate] name='bert' is no candidate of some.toml: use one of mine, other"),
        ('name = "mine"', "", "[candidate] name=None is no candidate of some.toml"),
        ('"mine"', "3", "[candidate] name=3 is no candidate of some.toml"),
        ('"mine"', '["x"]', "[candidate] name=['x'] is no candidate of some.toml"),
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
    file: Path, candidates: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    said = refusal(file, candidates)
    assert message in said
    assert "mine.toml" in said


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "C = 2",
            "penalty = 2",
            "penalty=2 is no parameter of hashed_linear: use one of C, idf_power, max_iter, style, style_C, ",
        ),
        ("C = 2", "toll = 2", "toll=2 is no parameter of hashed_linear: use tol"),
        ("C = 2", 'C = "high"', "C='high': give a number from 1e-06 to 1e+06"),
        ("C = 2", "C = 0", "C=0: give a number from 1e-06 to 1e+06"),
        ("C = 2", "C = nan", "C=nan: give a number from 1e-06 to 1e+06"),
        ("C = 2", "C = inf", "C=inf: give a number from 1e-06 to 1e+06"),
        ("C = 2", "C = true", "C=True: give a number from 1e-06 to 1e+06"),
        ("C = 2", "style = 1", "style=1: give true or false"),
        ("C = 2", "style_C = 0", "style_C=0: give a number from 1e-06 to 1e+06"),
        ("C = 2", "idf_power = -1", "idf_power=-1: give a number from 0 to 4"),
        ("C = 2", "max_iter = 1.5", "max_iter=1.5: give a whole number from 1 to 1000000"),
        ('"hashed_linear"', '"hashed_liner"', "family='hashed_liner' is unknown: use hashed_linear"),
        ('family = "hashed_linear"', "", "family=None is unknown: use one of hashed_linear"),
        ('"hashed_linear"', '["x"]', "family=['x'] is unknown"),
    ],
)
def test_a_candidate_that_cannot_be_used_is_refused_by_its_name_parameter_and_value(
    file: Path, candidates: Path, old: str, new: str, message: str
) -> None:
    assert old in CANDIDATES
    candidates.write_text(CANDIDATES.replace(old, new, 1), encoding="utf-8")
    assert refusal(file, candidates).startswith(f"some.toml: [mine] {message}")


def test_a_candidate_chosen_by_setting_that_does_not_exist_is_refused_by_the_setting(
    file: Path, candidates: Path
) -> None:
    said = refusal(file, candidates, "min")
    assert said == "CHATMOD_CANDIDATE='min' is no candidate of some.toml: use mine"


def test_a_candidate_that_is_a_value_is_refused(file: Path, candidates: Path) -> None:
    candidates.write_text("mine = 3\n", encoding="utf-8")
    assert refusal(file, candidates) == "some.toml: mine=3: make it a table, [mine]"


def test_a_table_that_is_a_value_is_refused(file: Path, candidates: Path) -> None:
    file.write_text("targets = 3\nevaluation = 1\ncandidate = 'x'\n", encoding="utf-8")
    assert refusal(file, candidates) == "mine.toml: candidate='x': make it a table, [candidate]"


@pytest.mark.parametrize(
    "content", [b"[candidate", b"\xff\xfe[\0", None], ids=["no TOML", "no UTF-8", "no file"]
)
@pytest.mark.parametrize("setting", ["CHATMOD_CONFIG", "CHATMOD_CANDIDATES"])
def test_a_file_that_cannot_be_read_is_refused_by_setting_and_path(
    file: Path, candidates: Path, content: bytes | None, setting: str
) -> None:
    bad = file if setting == "CHATMOD_CONFIG" else candidates
    bad.unlink() if content is None else bad.write_bytes(content)
    said = refusal(file, candidates)
    assert said.startswith(f"{setting}={str(bad)!r} cannot be read (")
    assert said.endswith("): name a TOML file")


def test_a_folder_is_no_recipe(tmp_path: Path, candidates: Path) -> None:
    assert "Is a directory" in refusal(tmp_path, candidates)
