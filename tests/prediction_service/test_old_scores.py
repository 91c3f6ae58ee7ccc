"""A client's export: what is read of it, and how each bad row is named."""

import hashlib
from pathlib import Path

import pytest

from prediction_service.exceptions import CalibrationError
from prediction_service.old_scores import OldScores, read
from tests.prediction_service.old_scores import write_export

TEXTS = [f"comment number {number}" for number in range(200)]
SCORES = [f"0.{number:03}" for number in range(200)]


def read_text(tmp_path: Path, content: str, **options: bool) -> OldScores:
    path = tmp_path / "old.csv"
    path.write_text(content, encoding="utf-8", newline="")
    return read(path, "text", ["score"], **options)


def rows(*more: str) -> str:
    """A good file with rows at its beginning, so that these begin on line 2."""
    return "\n".join(["text,score", *more, *map(",".join, zip(TEXTS, SCORES, strict=True)), ""])


def test_a_spreadsheets_file_is_read_as_it_is(tmp_path: Path) -> None:
    """A byte order mark, CRLF, quoted commas, quotes and line ends, and a line separator within a text."""
    texts = ['one, "two"\r\nthree', "\u2028 naïve \x0b\x1c\U0001f600", *TEXTS]
    path = write_export(tmp_path / "old.csv", texts, [0, "1.0", *SCORES])
    found = read(path, "text", ["score"])
    assert texts == found.texts
    assert [0.0, 1.0, 0.0, 0.001] == found.scores["score"][:4]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == found.sha256
    assert (202, 0) == (found.distinct, found.left_out)


def test_other_columns_may_be_there_and_have_other_names(tmp_path: Path) -> None:
    lines = [f"{number},{text},.5,7e-1" for number, text in enumerate(TEXTS)]
    path = tmp_path / "old.csv"
    path.write_text("\n".join([",body,TOXICITY,INSULT", *lines]))
    found = read(path, "body", ["INSULT", "TOXICITY"])
    assert (TEXTS, {0.5}, {0.7}) == (found.texts, set(found.scores["TOXICITY"]), set(found.scores["INSULT"]))


def test_repeats_are_kept_since_they_are_work_too(tmp_path: Path) -> None:
    found = read_text(tmp_path, rows("lol,0.1", "lol,0.1", "lol,0.2"))
    assert (203, 201) == (len(found.texts), found.distinct)


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("hello,", "score='' is no score: give a number from 0 to 1, such as 0.83"),
        ("hello", "score='' is no score"),
        ("hello,83", "score='83' is no score"),
        ("hello,1.0001", "score='1.0001' is no score"),
        ("hello,-0.1", "score='-0.1' is no score"),
        ("hello,nan", "score='nan' is no score"),
        ("hello,inf", "score='inf' is no score"),
        ("hello,1e400", "score='1e400' is no score"),
        ("hello,0_1", "score='0_1' is no score"),
        ("hello,\u0663", "score='\u0663' is no score"),
        ('hello,"0,83"', "score='0,83' is no score"),
        ("hello,null", "score='null' is no score"),
        (",0.5", "text='' is empty: leave the row out"),
        ('" \u00a0 ",0.5', "text='' is empty"),
        ("hello, you,0.5,0.6", "'0.5' is one cell too many: put texts that hold commas into quotes"),
    ],
)
def test_a_bad_row_is_named_by_line_value_and_remedy(tmp_path: Path, row: str, wrong: str) -> None:
    with pytest.raises(CalibrationError) as refusal:
        read_text(tmp_path, rows('"two\nlines",0.5', row))
    assert (
        f"old.csv: 1 rows cannot be used: mend them, or leave them out with --skip-bad\n  line 4: {wrong}"
        in (str(refusal.value))
    )


def test_of_many_bad_rows_the_first_are_named_and_all_are_counted(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError) as refusal:
        read_text(tmp_path, rows(*["hello,x"] * 25))
    assert "25 rows cannot be used" in str(refusal.value)
    assert 10 == str(refusal.value).count("is no score")
    assert str(refusal.value).endswith("\n  and 15 more")


def test_bad_rows_are_left_out_and_counted_when_that_is_asked_for(tmp_path: Path) -> None:
    found = read_text(tmp_path, rows("hello,", ",0.5"), skip_bad=True)
    assert (TEXTS, 2) == (found.texts, found.left_out)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("", "0 columns are named 'text', the first line has nothing: name another with --text-column"),
        ("body,score\n", "the first line has 'body', 'score'"),
        ("text;score\n", "with commas between the columns"),
        ("text,text,score\n", "2 columns are named 'text'"),
        ("text,old\n", "0 columns are named 'score'"),
        ('text,score\n"a,0.5\nb,0.5\n', "the row that begins on line 2 cannot be read"),
        (rows('"a" b,0.5'), "the row that begins on line 2 cannot be read"),
        ("text,score\nhello,0.5\n", "1 different texts in usable rows: bring at least 200"),
        ("text,score\n" + "hello,0.5\n" * 500, "1 different texts"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_remedy(
    tmp_path: Path, content: str, wrong: str
) -> None:
    with pytest.raises(CalibrationError) as refusal:
        read_text(tmp_path, content)
    assert wrong in str(refusal.value)


def test_another_encoding_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(b"text,score\nfine,0.5\nna\xefve,0.5\n")
    with pytest.raises(CalibrationError, match=r"old.csv: line 3 is not UTF-8: save the file as UTF-8"):
        read(path, "text", ["score"])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"nothing.csv: No such file or directory: name a CSV file"):
        read(tmp_path / "nothing.csv", "text", ["score"])
