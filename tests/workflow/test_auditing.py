"""The audit as a step: what it writes and says, and that a leak ends the pipeline by name."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import make_rows
from tests.workflow.processes import Home, workflow
from workflow.exceptions import AuditError, SettingsError
from workflow.local import is_current, run_step, scalars
from workflow.pipeline import step_named
from workflow.settings import Settings
from workflow.steps import read_json, read_part
from workflow.summary import summary


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def audited(settings: Settings) -> list[str]:
    """Run the steps up to the audit; what was said."""
    said: list[str] = []
    for name in ("download", "preprocess", "audit"):
        run_step(step_named(name), settings.workdir, settings, said.append)
    return said


def failure(settings: Settings) -> str:
    with pytest.raises(AuditError) as caught:
        audited(settings)
    return str(caught.value)


def groups(folder: Path) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in read_json(folder / "audit.json")["groups"]}


def write(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def variant(path: Path, ours: Path, old: str, new: str) -> Path:
    """One of our files of settings with something else in it."""
    text = ours.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def letting_in(tmp_path: Path, *columns: str) -> Path:
    named = ", ".join(f'"{column}"' for column in columns)
    return variant(tmp_path / "leakage.toml", Settings().leakage, "columns = []", f"columns = [{named}]")


def uncleaned(tmp_path: Path) -> Path:
    return variant(tmp_path / "raw.toml", Settings().config, "clean = true", "clean = false")


def test_the_generated_corpus_passes_and_its_figures_go_with_the_model(trained: Home) -> None:
    work = trained.settings.workdir
    facts = read_json(work / "audit" / "audit.json")
    assert ("passed", "learning", 5, True) == tuple(
        facts[name] for name in ("status", "part", "folds", "cleaned")
    )
    learning = read_json(work / "comments" / "manifest.json")["split"]["learning"]
    assert (learning["rows"], learning["removed"]) == (facts["rows"], facts["removed"])
    assert facts == read_json(work / "bundle" / "passport.json")["leak_audit"]
    assert (work / "audit" / "leakage.png").read_bytes().startswith(b"\x89PNG")
    for name in ("audit.json", "leakage.png"):
        assert (work / "audit" / name).read_bytes() == (work / "evaluation" / "audit" / name).read_bytes()
    assert not (trained.settings.home / "audit-failed").exists()


def test_a_run_says_each_group_before_and_after_and_the_outcome(trained: Home) -> None:
    said = trained.said
    assert "entities: 0.500 [0.500, 0.500] before, 0.500 [0.500, 0.500] after cleaning: passed\n" in said
    assert f"leaks    passed ({read_json(trained.settings.workdir / 'audit' / 'audit.json')['rows']} " in said
    assert "allowed length 0." in summary(trained.settings)


def test_the_sample_passes_and_every_line_says_that_it_is_one(home: Path) -> None:
    said = audited(Settings(data="sample", home=home))
    assert said[-1].startswith("leak audit passed (1,672 learning rows): ")
    assert all(line.endswith(" (sample)") for line in said[-13:])
    found = groups(home / "work" / "audit")
    assert (
        "passed" == found["columns"]["verdict"]
    )  # the sample's own column `kind` is the label; no model sees it
    assert found["columns"]["before"]["low"] > 0.99


@pytest.mark.parametrize("count", [60, 200, 600])
def test_few_rows_do_not_fail_by_chance(tmp_path: Path, home: Path, count: int) -> None:
    data = write(tmp_path / "few.csv", ("text", "removed"), list(make_rows(count)))
    said = audited(Settings(data=data, home=home))
    assert said[-1].startswith("leak audit passed")


def test_too_few_rows_to_judge_is_said(tmp_path: Path, home: Path) -> None:
    rows = [
        (f"{text} caf\u00e9" if label and number % 9 == 0 else text, label)
        for number, (text, label) in enumerate(make_rows(120))
    ]
    said = audited(Settings(data=write(tmp_path / "few.csv", ("text", "removed"), rows), home=home))
    assert "too few rows to judge" in said[-1]
    assert "non_ascii" in said[-1].partition("too few rows to judge")[2]


def test_a_row_number_is_harmless_until_a_model_may_see_it(tmp_path: Path, home: Path) -> None:
    rows = sorted(make_rows(400), key=lambda row: row[1])
    data = write(tmp_path / "sorted.csv", ("text", "removed"), rows)
    settings = Settings(data=data, home=home)
    audited(settings)
    number = groups(home / "work" / "audit")["row_number"]
    assert ("passed", ["row"]) == (number["verdict"], number["features"])
    assert number["before"]["low"] > 0.98
    said = failure(replace(settings, leakage=letting_in(tmp_path, "row")))
    assert "leak audit of sorted.csv: row_number 1.000 [" in said
    assert "is over 0.51 to a model: take the column out of [inputs] columns in leakage.toml;" in said


def test_a_number_of_a_shuffled_file_counts_as_a_row_number(tmp_path: Path, home: Path) -> None:
    ordered = sorted(make_rows(400), key=lambda row: row[1])
    by_text = sorted((text, label, number) for number, (text, label) in enumerate(ordered))
    data = write(tmp_path / "x.csv", ("text", "removed", "X"), by_text)
    settings = Settings(data=data, home=home)
    for let_in in ("row", "X"):
        assert ": row_number " in failure(replace(settings, leakage=letting_in(tmp_path, let_in)))
    assert ["X"] == groups(home / "audit-failed")["row_number"]["features"]


def test_any_other_column_that_is_let_in_is_judged_by_its_values(tmp_path: Path, home: Path) -> None:
    rows = [
        (text, label, ("gone" if label else "here"), number % 3)
        for number, (text, label) in enumerate(make_rows(400))
    ]
    data = write(tmp_path / "states.csv", ("text", "removed", "state", "third"), rows)
    said = failure(Settings(data=data, home=home, leakage=letting_in(tmp_path, "state")))
    assert ": columns 1.000 [1.000, 1.000] is over 0.51 to a model: take the column out" in said
    audited(Settings(data=data, home=home, leakage=letting_in(tmp_path, "third")))


def test_a_column_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path, home: Path) -> None:
    rows = [(text, label, "x") for text, label in make_rows(200)]
    data = write(tmp_path / "some.csv", ("text", "removed", "state"), rows)
    for name in ("stat", "text", "removed"):
        with pytest.raises(SettingsError) as caught:
            audited(Settings(data=data, home=home, leakage=letting_in(tmp_path, name)))
        assert f"{name!r} is no column of the comments beside text and label: use row, state" in str(
            caught.value
        )


def leaking(path: Path) -> str:
    rows = [
        (text.replace(" the ", " &amp; the ") if label == 0 else f"{text}", label)
        for text, label in make_rows(600)
    ]
    return write(path, ("text", "removed"), list(rows))


def test_with_cleaning_off_a_trace_fails_that_cleaning_undoes(tmp_path: Path, home: Path) -> None:
    settings = Settings(data=leaking(tmp_path / "leaking.csv"), home=home)
    assert "leak audit passed" in audited(settings)[-1]
    said = failure(replace(settings, config=uncleaned(tmp_path)))
    assert "entities 0." in said
    assert "set [preprocess] clean = true in pipeline.toml" in said


def test_a_failed_audit_is_kept_where_the_message_says_and_replaces_nothing(
    tmp_path: Path, home: Path
) -> None:
    settings = Settings(data=leaking(tmp_path / "leaking.csv"), home=home)
    audited(settings)
    before = (home / "work" / "audit" / "audit.json").read_bytes()
    said = failure(replace(settings, config=uncleaned(tmp_path)))
    kept = home / "audit-failed"
    assert said.endswith(f"; figures and picture: {kept}")
    assert ["audit.json", "leakage.png"] == sorted(path.name for path in kept.iterdir())
    facts = read_json(kept / "audit.json")
    assert ("failed", False) == (facts["status"], facts["cleaned"])
    assert "failed" == groups(kept)["entities"]["verdict"]
    assert before == (home / "work" / "audit" / "audit.json").read_bytes()
    audited(settings)
    assert not kept.exists()


def test_a_leak_ends_the_command_with_code_1_and_one_message(tmp_path: Path, home: Path) -> None:
    variables = {"CHATMOD_DATA": leaking(tmp_path / "leaking.csv"), "CHATMOD_HOME": home}
    ran = workflow("run", CHATMOD_CONFIG=uncleaned(tmp_path), **variables)
    assert (1, 1) == (ran.returncode, ran.errors.count("\n") + 1)
    assert ran.errors.startswith("error: leak audit of leaking.csv: ")
    assert "entities" in ran.errors
    assert "] train" not in ran.stdout


def test_an_explicit_reason_lets_a_leak_through_and_stands_in_the_audit(tmp_path: Path, home: Path) -> None:
    ours = Settings().leakage
    allowed = variant(
        tmp_path / "leakage.toml",
        ours,
        "[groups.entities]\nlimit = 0.51",
        '[groups.entities]\nallow = "we write about HTML"',
    )
    settings = Settings(
        data=leaking(tmp_path / "leaking.csv"), home=home, config=uncleaned(tmp_path), leakage=allowed
    )
    said = audited(settings)
    assert "allowed entities 0." in said[-1]
    assert ", texts not cleaned): " in said[-1]
    entities = groups(home / "work" / "audit")["entities"]
    assert ("allowed", "we write about HTML", None) == tuple(
        entities[key] for key in ("verdict", "reason", "limit")
    )


def test_a_limit_before_cleaning_stops_a_file_that_needs_cleaning(tmp_path: Path, home: Path) -> None:
    limits = variant(
        tmp_path / "leakage.toml",
        Settings().leakage,
        "[groups.entities]\n",
        "[groups.entities]\nbefore = 0.52\n",
    )
    said = failure(Settings(data=leaking(tmp_path / "leaking.csv"), home=home, leakage=limits))
    assert "is over 0.52 before cleaning" in said


def test_other_limits_make_the_audit_stale(trained: Home, tmp_path: Path) -> None:
    settings = replace(trained.settings, leakage=letting_in(tmp_path, "row"))
    work = trained.settings.workdir
    assert is_current(step_named("audit"), work, scalars(trained.settings))
    assert not is_current(step_named("audit"), work, scalars(settings))


def test_another_order_of_the_same_rows_changes_nothing_but_the_row_number(tmp_path: Path) -> None:
    rows = make_rows(300)
    found = []
    for name, ordered in (("one", rows), ("two", sorted(rows))):
        data = write(tmp_path / "rows.csv", ("text", "removed"), list(ordered))
        audited(Settings(data=data, home=tmp_path / name))
        found.append(groups(tmp_path / name / "work" / "audit"))
    assert found[0].pop("row_number") != found[1].pop("row_number")
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home in which the real file was audited with the project's own settings."""
    settings = Settings(data=str(real_data), home=tmp_path_factory.mktemp("real"))
    audited(settings)
    return settings


def test_real_removals_pass_once_cleaned_and_show_what_they_leaked_before(real: Settings) -> None:
    found = groups(real.workdir / "audit")
    assert {"passed", "allowed"} == {each["verdict"] for each in found.values()}
    before = {name: each["before"]["low"] for name, each in found.items()}
    assert before["row_number"] > 0.99
    assert before["newlines"] > 0.57
    assert before["entities"] > 0.52
    assert before["edit"] > 0.51
    assert all(
        found[name]["after"]["high"] < 0.505 for name in ("entities", "newlines", "edit", "encoding_residue")
    )


def test_real_removals_fail_with_cleaning_off_and_with_a_row_number_let_in(
    real: Settings, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(real.home, home)
    said = failure(replace(real, home=home, config=uncleaned(tmp_path)))
    assert [True] * 3 == [f"{name} 0.5" in said for name in ("entities", "newlines", "edit")]
    said = failure(replace(real, home=home, leakage=letting_in(tmp_path, "row")))
    assert "reddit_test.csv: row_number 1.000" in said


def test_texts_that_are_not_cleaned_reach_the_trainer_whole(tmp_path: Path, home: Path) -> None:
    odd = [("one\r\ntwo", 0), ("three\rfour", 1), ('five "six", &gt;\n\nseven', 0), ("NA", 1), ("8", 0)]
    data = write(tmp_path / "odd.csv", ("text", "removed"), [*make_rows(200), *odd])
    settings = Settings(data=data, home=home, config=uncleaned(tmp_path))
    for name in ("download", "preprocess"):
        run_step(step_named(name), settings.workdir, settings, str)
    parts = [read_part(settings.workdir / "comments" / f"{part}.csv") for part in ("learning", "test")]
    assert {text for text, _ in [*make_rows(200), *odd]} == {text for part in parts for text in part["text"]}


def test_test_rows_that_a_model_has_nearly_seen_are_counted(
    trained: Home, tmp_path: Path, home: Path
) -> None:
    long = "the reported effect is large, but the control group was small and nobody has repeated it, case {}"
    copies = [(long.format(number), number % 2) for number in range(40)]
    data = write(tmp_path / "copies.csv", ("text", "removed"), [*make_rows(200), *copies])
    said = audited(Settings(data=data, home=home))
    test = read_part(home / "work" / "comments" / "test.csv")["text"]
    found = read_json(home / "work" / "audit" / "audit.json")["near_duplicates"]
    assert (len(test), 0.8) == (found["rows"], found["overlap"])
    assert test.str.startswith("the reported").sum() <= found["near"] < len(test)
    assert f"near duplicates: {found['near']} of {len(test)} test rows are nearly a learning row" in said


def test_a_column_of_numbers_with_gaps_and_one_called_row_are_understood(tmp_path: Path, home: Path) -> None:
    ordered = sorted(make_rows(400), key=lambda row: row[1])
    rows = sorted(
        (text, label, "" if number % 9 == 0 else number) for number, (text, label) in enumerate(ordered)
    )
    data = write(tmp_path / "gaps.csv", ("text", "removed", "row"), rows)
    settings = Settings(data=data, home=home)
    assert "row_number" in failure(replace(settings, leakage=letting_in(tmp_path, "row")))
    assert ["row", "row of the file"] == groups(home / "audit-failed")["row_number"]["features"]
