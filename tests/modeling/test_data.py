from pathlib import Path

import pandas as pd
import pytest

from modeling.data import Columns, Counts, read_comments, read_raw
from modeling.exceptions import DataError
from modeling.split import frozen_key, part_of
from tests.corpus import make_rows

ROWS = make_rows(300)


def write(path: Path, header: str, lines: list[str], encoding: str = "utf-8") -> Path:
    path.write_bytes("\r\n".join([header, *lines, ""]).encode(encoding))
    return path


def read(paths: list[Path], columns: Columns | None = None) -> tuple[pd.DataFrame, Counts]:
    comments = read_comments(paths, columns)
    return comments.used, comments.counts


def quoted(rows: list[tuple[str, int]] = ROWS, before: str = "", between: str = "") -> list[str]:
    return [f'{before}"{text}",{between}{label}' for text, label in rows]


@pytest.mark.parametrize(
    ("header", "before", "between"),
    [
        ('"","X","BODY","REMOVED"', '"17",18,', ""),
        ('"",body,score.x,parent_id.x,id,created_utc.x,retrieved_on,REMOVED', "7,", "9,p,i,1,2,"),
        ("prev_idx,body,score,parent_id,id,created_date,retrieved_date,removed", "7,", "9,p,i,1,2,"),
        ("text,removed", "", ""),
    ],
)
def test_both_kaggle_schemas_and_the_samples_are_recognised(
    tmp_path: Path, header: str, before: str, between: str
) -> None:
    lines = quoted(before=before, between=between)
    frame, counts = read([write(tmp_path / "some.csv", header, lines)])
    assert dict(ROWS) == dict(zip(frame["text"], frame["label"], strict=True))
    assert (counts.rows, counts.kept) == (300, 300)


def test_row_numbers_never_reach_a_model(tmp_path: Path) -> None:
    path = write(tmp_path / "some.csv", '"","X","BODY","REMOVED"', quoted(before='"17",18,'))
    frame, _ = read([path])
    assert list(frame.columns) == ["row", "key", "part", "fold", "label", "text"]
    assert list(range(1, 301)) == list(frame["row"])


def test_a_communitys_own_columns_are_named_by_settings(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", "message,hidden", quoted())
    frame, _ = read([path], Columns("message", "hidden"))
    assert len(frame) == 300


def test_several_files_are_joined_and_split_by_us(tmp_path: Path) -> None:
    first = write(tmp_path / "train.csv", "text,removed", quoted(ROWS[:150]))
    second = write(tmp_path / "test.csv", "text,removed", quoted(ROWS[150:]))
    together, _ = read([first, second])
    alone, _ = read([write(tmp_path / "all.csv", "text,removed", quoted())])
    assert together.equals(alone)


def test_parts_do_not_overlap_and_follow_from_the_text_alone(tmp_path: Path) -> None:
    frame, _ = read([write(tmp_path / "some.csv", "text,removed", quoted())])
    assert frame["key"].is_unique
    expected = {text: part_of(frozen_key(text)) for text, _ in ROWS}
    assert expected == dict(zip(frame["text"], frame["part"], strict=True))


def test_a_row_keeps_its_part_when_rows_are_added(tmp_path: Path) -> None:
    frame, _ = read([write(tmp_path / "some.csv", "text,removed", quoted())])
    more_rows = make_rows(500, seed=9) + ROWS
    more, _ = read([write(tmp_path / "more.csv", "text,removed", quoted(more_rows))])
    after = dict(zip(more["text"], more["part"], strict=True))
    assert all(after[row.text] == row.part for row in frame.itertuples())


def test_windows_1252_is_read_and_recorded(tmp_path: Path) -> None:
    lines = [*quoted(), '"“naïve” café",0']
    frame, counts = read([write(tmp_path / "old.csv", "text,removed", lines, "cp1252")])
    assert counts.encodings == {"old.csv": "windows-1252"}
    assert "“naïve” café" in set(frame["text"])


def test_utf_8_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    _, counts = read([write(tmp_path / "new.csv", "\ufefftext,removed", quoted())])
    assert counts.encodings == {"new.csv": "utf-8"}


def test_repeats_are_merged_conflicts_and_empty_texts_dropped_and_all_counted(tmp_path: Path) -> None:
    extra = ['"Twice said",1', '"twice SAID!",1', '"in doubt",0', '"In doubt.",1', '"",0', '" \xa0 ",1']
    frame, counts = read([write(tmp_path / "some.csv", "text,removed", quoted() + extra)])
    assert (
        counts.rows,
        counts.empty,
        counts.duplicates_merged,
        counts.conflicts_dropped,
        counts.kept,
    ) == (306, 2, 1, 2, 301)
    assert "in doubt" not in set(frame["text"])


def test_texts_that_are_one_once_cleaned_are_one(tmp_path: Path) -> None:
    tail = "EDIT: thanks for the gold"
    pairs = [
        line for n in range(40) for line in (f'"Comment {n}.",{n % 2}', f'"Comment {n}.\n{tail}",{n % 2}')
    ]
    doubts = [f'"Doubt {n}. {tail}",{label}' for n in range(40) for label in (0,)]
    doubts += [f'"Doubt {n}.",1' for n in range(40)]
    frame, counts = read([write(tmp_path / "some.csv", "text,removed", quoted() + pairs + doubts)])
    assert (460, 40, 80, 340) == (
        counts.rows,
        counts.duplicates_merged,
        counts.conflicts_dropped,
        counts.kept,
    )
    assert frame["text"].is_unique


def test_the_manifest_lists_every_row_with_its_outcome(tmp_path: Path) -> None:
    extra = ['"Twice said",1', '"twice SAID!",1', '"in doubt",0', '"In doubt.",1', '"",0']
    path = write(tmp_path / "some.csv", "text,removed", quoted() + extra)
    comments = read_comments([path])
    assert list(range(1, 306)) == list(comments.manifest["row"])
    assert ["used", "repeat", "conflict", "conflict", "empty"] == list(comments.manifest["outcome"][300:])
    used = comments.manifest[comments.manifest["outcome"] == "used"]
    assert list(comments.used["key"]) == list(used["key"])
    assert {"learning", "test"} == set(used["part"])
    assert {""} == set(comments.manifest["part"]) - {"learning", "test"}


def test_texts_that_look_like_missing_values_stay(tmp_path: Path) -> None:
    extra = ['"NA",0', '"null",1', '"None",0', '"nan",1']
    frame, _ = read([write(tmp_path / "some.csv", "text,removed", quoted() + extra)])
    assert {"NA", "null", "None", "nan"} <= set(frame["text"])


def refusal(path: Path, columns: Columns | None = None, **options: int) -> str:
    with pytest.raises(DataError) as caught:
        read_comments([path], columns, **options)
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.csv: No such file" in refusal(tmp_path / "nowhere.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "name a CSV file" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n \r\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "empty.csv").write_bytes(content)
    assert "empty.csv: the file is empty" in refusal(tmp_path / "empty.csv")


def test_wrong_columns_are_refused_with_the_header_and_the_setting(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "some.csv", "comment,removed", quoted()))
    assert "'comment', 'removed'" in message
    assert "CHATMOD_TEXT_COLUMN" in message
    message = refusal(write(tmp_path / "some.csv", "text,hidden", quoted()))
    assert "CHATMOD_LABEL_COLUMN" in message


def test_a_column_that_is_named_and_not_there_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "some.csv", "text,removed", quoted())
    assert "CHATMOD_TEXT_COLUMN='message'" in refusal(path, Columns("message"))


@pytest.mark.parametrize("label", ["2", "yes", "", "0.5", "-1", "TRUE"])
def test_labels_other_than_0_and_1_are_refused_with_row_and_value(tmp_path: Path, label: str) -> None:
    path = write(tmp_path / "some.csv", "text,removed", [*quoted(), f'"odd one",{label}'])
    message = refusal(path)
    assert "row 301" in message
    assert f"removed={label!r}" in message
    assert "0 (kept) or 1 (removed)" in message


@pytest.mark.parametrize(("label", "meaning"), [(0, "removed"), (1, "kept")])
def test_rows_of_one_label_only_are_refused(tmp_path: Path, label: int, meaning: str) -> None:
    rows = [(text, label) for text, _ in ROWS]
    assert f"({meaning}): 0 of 300" in refusal(write(tmp_path / "some.csv", "text,removed", quoted(rows)))


def test_a_10_mb_text_is_refused_with_row_length_and_remedy(tmp_path: Path) -> None:
    path = write(tmp_path / "some.csv", "text,removed", [*quoted(), f'"{"x" * 10_000_000}",1'])
    message = refusal(path)
    assert "row 301" in message
    assert "10,000,000 characters" in message
    assert "CHATMOD_MAX_TEXT_CHARS" in message


def test_nul_bytes_are_refused_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "nul.csv").write_bytes(b'text,removed\r\n"a\x00b",1\r\n')
    assert "NUL byte at offset 16" in refusal(tmp_path / "nul.csv")


def test_utf_16_is_refused_with_a_remedy(tmp_path: Path) -> None:
    assert "UTF-16" in refusal(write(tmp_path / "wide.csv", "text,removed", quoted(), "utf-16"))


def test_bytes_of_no_known_encoding_are_refused_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_bytes(b'text,removed\r\n"a\x81b",1\r\n')
    assert "byte 0x81 at offset 16" in refusal(tmp_path / "odd.csv")


def test_a_file_cut_off_inside_a_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "some.csv", "text,removed", quoted())
    path.write_bytes(path.read_bytes().rsplit(b'"', 1)[0])
    assert "cut off" in refusal(path)


def test_a_row_with_too_many_fields_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "some.csv", "text,removed", [*quoted(), "one,two,three,4"])
    assert "not a complete CSV file" in refusal(path)


@pytest.mark.parametrize("rows", [300, 400])
def test_unquoted_commas_are_refused_before_half_of_a_text_is_lost(tmp_path: Path, rows: int) -> None:
    lines = [f"first half {row}, second half,{row % 2}" for row in range(rows)]
    assert "more fields than the header" in refusal(write(tmp_path / "some.csv", "text,removed", lines))


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_another_separator_is_named_as_the_cause(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path / "some.csv", f"text{mark}removed", [f"some words{mark}1"])
    assert "not separated by commas" in refusal(path)


@pytest.mark.parametrize("columns", [None, Columns("text", "removed")])
def test_a_header_with_one_name_twice_is_refused(tmp_path: Path, columns: Columns | None) -> None:
    path = write(tmp_path / "some.csv", "text,text,removed", ['"one","two",1'])
    message = refusal(path, columns)
    assert "more than one column" in message or "exactly once" in message


@pytest.mark.parametrize("lines", [[], ['"",1', '"  ",0']])
def test_a_file_without_any_usable_row_says_so(tmp_path: Path, lines: list[str]) -> None:
    assert "rows=0" in refusal(write(tmp_path / "some.csv", "text,removed", lines))


def test_without_cleaning_the_same_rows_are_used_as_they_stand_in_the_file(tmp_path: Path) -> None:
    odd = ['"one &amp; two\r\n\r\nEDIT: three",0', '"&nbsp;",1', '"ONE two",0']
    path = write(tmp_path / "some.csv", "text,removed", [*quoted(), *odd])
    cleaned, raw = read_comments([path]), read_comments([path], cleaned=False)
    assert cleaned.used.drop(columns="text").equals(raw.used.drop(columns="text"))
    assert "one &amp; two\r\n\r\nEDIT: three" in set(raw.used["text"])
    assert "one & two" in set(cleaned.used["text"])


def test_raw_comments_keep_their_other_columns_row_by_row(tmp_path: Path) -> None:
    lines = [f'{number},"{text}",{label}' for number, (text, label) in enumerate(ROWS)]
    first = write(tmp_path / "a.csv", "X,text,removed", lines[:100])
    second = write(tmp_path / "b.csv", "text,removed", quoted(ROWS[100:]))
    raw = read_raw([first, second])
    assert list(range(1, 301)) == list(raw.rows["row"])
    assert [text for text, _ in ROWS] == list(raw.rows["raw"])
    assert [str(number) for number in range(100)] == list(raw.others["X"][:100])
    assert raw.others["X"][100:].isna().all()
