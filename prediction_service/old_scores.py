"""Reads a client's export: texts and the scores that another service gave them. Knows no model."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prediction_service.exceptions import CalibrationError

MIN_TEXTS: Final = 200
SHOWN_ROWS: Final = 10
EXCERPT: Final = 60
MAX_CELL: Final = 10_000_000
BEYOND: Final = "\n"  # no column's name: what stands behind the last one
NUMBER: Final = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True)
class OldScores:
    """The rows of a file that can be used: a text and, by column, its old score."""

    texts: list[str]
    scores: Mapping[str, list[float]]
    sha256: str
    left_out: int

    @property
    def distinct(self) -> int:
        """How many different texts there are."""
        return len(set(self.texts))


def read(path: Path, text: str, columns: Sequence[str], *, skip_bad: bool = False) -> OldScores:
    """The text column and these score columns of a CSV file.

    Args:
        path: the file, UTF-8 with or without a byte order mark; cells may hold line ends in quotes.
        text: the name of the column with the texts.
        columns: the names of the columns with scores from 0 to 1.
        skip_bad: leave out rows that cannot be used, and count them.

    Raises:
        CalibrationError: the file cannot be read, lacks a column, holds bad rows, or too few texts.

    """
    content = _content(path)
    texts: list[str] = []
    scores: dict[str, list[float]] = {column: [] for column in columns}
    bad: list[str] = []
    for line, row in _rows(path, content, [text, *columns]):
        wrong = _wrong(row, text, columns)
        if wrong:
            bad.append(f"line {line}: {wrong}")
            continue
        texts.append(row[text])
        for column in columns:
            scores[column].append(float(row[column].strip()))
    if bad and not skip_bad:
        more = f"\n  and {len(bad) - SHOWN_ROWS:,} more" if len(bad) > SHOWN_ROWS else ""
        listed = "".join(f"\n  {one}" for one in bad[:SHOWN_ROWS])
        raise CalibrationError(
            f"{path}: {len(bad):,} rows cannot be used: mend them, or leave them out with --skip-bad"
            f"{listed}{more}"
        )
    found = OldScores(texts, scores, hashlib.sha256(content).hexdigest(), len(bad))
    if found.distinct < MIN_TEXTS:
        raise CalibrationError(
            f"{path}: {found.distinct} different texts in usable rows: bring at least {MIN_TEXTS}, "
            "better a few thousand, of all comments and not only of those that were acted upon"
        )
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CalibrationError(f"{path}: {error.strerror or error}: name a CSV file") from error


def _rows(path: Path, content: bytes, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with the number of the line that it begins on, and what stands behind its last column."""
    try:
        # not splitlines(): a line separator within a text ends no line of the file
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CalibrationError(f"{path}: line {line} is not UTF-8: save the file as UTF-8") from error
    before = csv.field_size_limit(MAX_CELL)  # of the whole process
    reader = csv.reader(lines, strict=True)
    begins = 1
    try:
        names = next(reader, [])
        _check_header(path, names, wanted)
        begins = reader.line_num + 1
        for cells in reader:
            if cells:
                row = dict(zip(names, cells, strict=False))
                yield begins, row | {BEYOND: "".join(cells[len(names) : len(names) + 1])}
            begins = reader.line_num + 1
    except csv.Error as error:
        raise CalibrationError(
            f"{path}: the row that begins on line {begins} cannot be read ({error}): close its quotes, "
            'and write quotes inside a text as ""'
        ) from error
    finally:
        csv.field_size_limit(before)


def _check_header(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if names.count(name) != 1:
            raise CalibrationError(
                f"{path}: {names.count(name)} columns are named {name!r}, the first line has "
                f"{', '.join(map(repr, names))[:300] or 'nothing'}: name another with --text-column or "
                "--attribute NAME=COLUMN, with commas between the columns of the file"
            )


def _wrong(row: Mapping[str, str], text: str, columns: Sequence[str]) -> str:
    """What is wrong with a row, or nothing."""
    if row[BEYOND]:
        return f"{_short(row[BEYOND])} is one cell too many: put texts that hold commas into quotes"
    if not row.get(text, "").strip():
        return f"{text}='' is empty: leave the row out"
    for column in columns:
        value = row.get(column, "").strip()
        if not NUMBER.fullmatch(value) or not 0 <= float(value) <= 1:
            return f"{column}={_short(value)} is no score: give a number from 0 to 1, such as 0.83"
    return ""


def _short(value: str) -> str:
    return repr(value if len(value) <= EXCERPT else f"{value[:EXCERPT]}…")
