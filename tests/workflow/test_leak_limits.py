"""The file of the leak audit's limits: what is read from it, and what is refused."""

from pathlib import Path

import pytest

from modeling.artefacts import GROUPS, Limit
from workflow.exceptions import SettingsError
from workflow.leak_limits import read
from workflow.settings import Settings

OURS = Settings().leakage.read_text(encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def test_a_group_has_the_limits_or_the_reason_that_the_file_says(file: Path) -> None:
    told = OURS.replace("[groups.entities]\nlimit = 0.51", "[groups.entities]\nlimit = 0.6\nbefore = 1")
    told = told.replace("columns = []", 'columns = ["row", "X"]')
    file.write_text(told.replace('allow = "capitals', 'before = 0.8\nallow = " capitals'), encoding="utf-8")
    limits = read(file)
    assert ("row", "X") == limits.columns
    assert [group.name for group in GROUPS] == list(limits.groups)
    assert Limit(after=0.6, before=1) == limits.groups["entities"]
    assert (None, 0.8) == (limits.groups["style"].after, limits.groups["style"].before)
    assert limits.groups["style"].allow.startswith("capitals")


def test_ours_let_no_column_in_and_give_a_reason_for_what_they_allow() -> None:
    limits = read(Settings().leakage)
    assert () == limits.columns
    allowed = {name for name, limit in limits.groups.items() if limit.allow}
    assert {"length", "markdown", "style"} == allowed
    assert all(limit.after is not None for name, limit in limits.groups.items() if name not in allowed)


def test_the_digest_follows_the_limits_and_not_the_files_words(file: Path) -> None:
    file.write_text(f"# a word\n{OURS}", encoding="utf-8")
    assert read(Settings().leakage).sha256 == read(file).sha256
    file.write_text(OURS.replace("0.51", "0.515"), encoding="utf-8")
    assert read(Settings().leakage).sha256 != read(file).sha256


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[groups.edit]", "[groups.edits]", "[groups] edits={'limit': 0.51} is unknown: use edit"),
        (
            "[groups.edit]",
            "[groups.zebra]",
            "[groups] zebra={'limit': 0.51} is unknown: use one of row_number",
        ),
        ("[groups.edit]\nlimit = 0.51\n", "", "[groups.edit] is missing: add it"),
        ("[groups.edit]\nlimit", "[groups.edit]\nlimits", "[groups.edit] limits=0.51 is unknown: use limit"),
        (
            "[groups.edit]\nlimit = 0.51",
            "[groups]\nedit = 0.51",
            "groups.edit=0.51: make it a table, [groups.edit]",
        ),
        (
            "[groups.edit]\nlimit = 0.51",
            "[groups.edit]",
            "[groups.edit] limit=None, allow=None: give one of the two",
        ),
        (
            "[groups.edit]\nlimit = 0.51",
            '[groups.edit]\nlimit = 0.51\nallow = "so"',
            "[groups.edit] limit=0.51, allow='so': give one of the two",
        ),
        ("limit = 0.51", "limit = 0.4", "limit=0.4: give a number from 0.5 to 1"),
        ("limit = 0.51", "limit = 1.1", "limit=1.1: give a number from 0.5 to 1"),
        ("limit = 0.51", "limit = nan", "limit=nan: give a number from 0.5 to 1"),
        ("limit = 0.51", "limit = true", "limit=True: give a number from 0.5 to 1"),
        ("limit = 0.51", 'limit = "0.51"', "limit='0.51': give a number from 0.5 to 1"),
        ("limit = 0.51", "limit = 0.51\nbefore = 0", "before=0: give a number from 0.5 to 1"),
        ('allow = "capitals', 'allow = ""\n# "', "[groups.style] allow='': say why it may tell the label"),
        (
            'allow = "capitals',
            'allow = "  "\n# "',
            "[groups.style] allow='  ': say why it may tell the label",
        ),
        (
            'allow = "capitals',
            'allow = true\n# "',
            "[groups.style] allow=True: say why it may tell the label",
        ),
        ("columns = []", "", "[inputs] columns=None: give a list of names, or []"),
        ("columns = []", 'columns = "row"', "[inputs] columns='row': give a list of names, or []"),
        ("columns = []", "columns = [3]", "[inputs] columns=[3]: give a list of names, or []"),
        ("columns = []", 'columns = [""]', "[inputs] columns=['']: give a list of names, or []"),
        ("columns = []", "column = []", "[inputs] column=[] is unknown: use columns"),
        ("[inputs]\ncolumns = []", "", "[inputs] is missing: add it"),
        ("[inputs]\ncolumns = []", "inputs = []", "inputs=[]: make it a table, [inputs]"),
        ("[inputs]", "[group]\n[inputs]", "group={} is unknown: use groups"),
    ],
)
def test_what_cannot_be_used_is_refused_by_table_key_value_and_remedy(
    file: Path, old: str, new: str, message: str
) -> None:
    assert old in OURS
    file.write_text(OURS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read(file)
    assert f"mine.toml: {message}" in str(caught.value).replace("[groups.row_number] limit", "limit").replace(
        "[groups.row_number] before", "before"
    )


@pytest.mark.parametrize(
    "content", [b"[inputs", b"\xff\xfe[\0", None], ids=["no TOML", "no UTF-8", "no file"]
)
def test_a_file_that_cannot_be_read_is_refused_by_setting_and_path(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read(file)
    assert str(caught.value).startswith(f"CHATMOD_LEAKAGE={str(file)!r} cannot be read (")
