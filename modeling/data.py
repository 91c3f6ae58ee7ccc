"""Comments from CSV files to one checked, de-duplicated, split frame. The only reader of raw comments."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from modeling.exceptions import DataError
from modeling.split import fold_of, frozen_key, part_of
from modeling.text import clean
from modeling.traces import has_artefacts

TEXT_NAMES: Final = ("body", "text")
LABEL_NAMES: Final = ("removed",)
MAX_CHARS: Final = 100_000


@dataclass(frozen=True)
class Columns:
    """Names of the text and label columns; empty: recognised by the header."""

    text: str = ""
    label: str = ""


@dataclass
class Counts:
    """What became of the rows that were read."""

    rows: int = 0
    empty: int = 0
    duplicates_merged: int = 0
    conflicts_dropped: int = 0
    kept: int = 0
    encodings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comments:
    """What was read.

    Attributes:
        used: ``row`` (number over all files, from 1), ``key``, ``part``, ``fold``, ``label`` (0 kept, 1
            removed) and ``text`` (cleaned), a line each row that is used.
        manifest: ``row``, ``key``, ``outcome`` (used, empty, repeat, conflict), ``part``, ``fold`` and
            ``label`` of every row that was read; a row that is not used has no part.
        artefacts: ``key`` and ``artefact`` (1 where the raw text had traces of how it was collected) of every
            row that is used; no model reads them.
        counts: how many rows had which outcome.

    """

    used: pd.DataFrame
    manifest: pd.DataFrame
    artefacts: pd.DataFrame
    counts: Counts


@dataclass(frozen=True)
class RawComments:
    """What stands in the files.

    Attributes:
        rows: ``row`` (number over all files, from 1), ``raw`` (text) and ``label`` of every row.
        others: every other column of the files, as text, in the order of ``rows``.
        encodings: of each file.

    """

    rows: pd.DataFrame
    others: pd.DataFrame
    encodings: dict[str, str]


def read_raw(
    paths: Sequence[Path], columns: Columns | None = None, max_chars: int = MAX_CHARS
) -> RawComments:
    """Read and validate comments, and leave them as they are.

    Raises:
        DataError: a file, header, text or label cannot be used.

    """
    encodings, frames, others = {}, [], []
    for path in paths:
        text, encodings[path.name] = decode(path)
        frame, other = _parse(text, path.name, columns or Columns(), max_chars)
        frames.append(frame)
        others.append(other)
    rows = pd.concat(frames, ignore_index=True)
    rows.insert(0, "row", range(1, len(rows) + 1))
    return RawComments(rows, pd.concat(others, ignore_index=True), encodings)


def read_comments(
    paths: Sequence[Path],
    columns: Columns | None = None,
    max_chars: int = MAX_CHARS,
    *,
    cleaned: bool = True,
) -> Comments:
    """Read, validate, clean, de-duplicate and split comments.

    With ``cleaned`` off the same rows are used, with their texts as they stand in the file.

    Raises:
        DataError: a file, header, text or label cannot be used; or a label has no rows.

    """
    raw = read_raw(paths, columns, max_chars)
    counts, frame = Counts(encodings=raw.encodings), raw.rows
    frame["key"] = [frozen_key(body) for body in frame["raw"]]
    frame["artefact"] = [int(has_artefacts(body)) for body in frame["raw"]]
    frame["text"] = [clean(body) for body in frame["raw"]]
    frame["outcome"] = _outcomes(frame)
    used = frame["outcome"] == "used"
    frame["part"] = [part_of(key) if is_used else "" for key, is_used in zip(frame["key"], used, strict=True)]
    frame["fold"] = [fold_of(key) for key in frame["key"]]
    kept = frame[used].reset_index(drop=True)
    _check_usable(kept)
    _check_apart(kept)
    if not cleaned:
        kept["text"] = kept["raw"]
    found = frame["outcome"].value_counts()
    counts.rows, counts.kept = len(frame), len(kept)
    counts.empty, counts.duplicates_merged = int(found.get("empty", 0)), int(found.get("repeat", 0))
    counts.conflicts_dropped = int(found.get("conflict", 0))
    manifest = frame[["row", "key", "outcome", "part", "fold", "label"]]
    shown = kept[["row", "key", "part", "fold", "label", "text"]]
    return Comments(shown, manifest, kept[["key", "artefact"]], counts)


def decode(path: Path) -> tuple[str, str]:
    """The text of a file and its encoding: strict UTF-8 first, else Windows-1252.

    Raises:
        DataError: the file cannot be read, is empty, or is in another encoding.

    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}: name a CSV file that can be read") from error
    if not raw.strip():
        raise DataError(f"{path.name}: the file is empty: name a CSV file with a header and rows")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path.name}: encoding is UTF-16: convert it, e.g. iconv -f UTF-16 -t UTF-8")
    if b"\0" in raw:
        place = raw.index(b"\0")
        raise DataError(
            f"{path.name}: NUL byte at offset {place}: not a text file, or UTF-16: convert it to UTF-8"
        )
    try:
        return raw.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252"), "windows-1252"
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name}: byte 0x{raw[error.start]:02x} at offset {error.start} is neither UTF-8 nor "
            "Windows-1252: convert the file to UTF-8"
        ) from error


def _parse(text: str, name: str, columns: Columns, max_chars: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        frame = pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(
            f"{name}: not a complete CSV file ({str(error).strip()}): it may have been cut off; get it again"
        ) from error
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas has taken a surplus first field for the row's name.
        raise DataError(f"{name}: rows have more fields than the header: put texts with commas into quotes")
    text_column = _column(frame, columns.text, TEXT_NAMES, "CHATMOD_TEXT_COLUMN", name)
    label_column = _column(frame, columns.label, LABEL_NAMES, "CHATMOD_LABEL_COLUMN", name)
    raw, labels = frame[text_column].fillna(""), frame[label_column].fillna("").str.strip()
    wrong = labels[~labels.isin(("0", "1"))]
    if len(wrong):
        raise DataError(
            f"{name}: row {wrong.index[0] + 1}: {label_column}={wrong.iloc[0][:40]!r}, and {len(wrong) - 1} "
            "more rows: a label must be 0 (kept) or 1 (removed)"
        )
    lengths = raw.str.len().to_numpy()
    if len(lengths) and lengths.max() > max_chars:
        raise DataError(
            f"{name}: row {lengths.argmax() + 1}: {text_column} has {lengths.max():,} characters, more than "
            f"{max_chars:,}: close the quote that is missing, or raise CHATMOD_MAX_TEXT_CHARS"
        )
    rows = pd.DataFrame({"raw": raw, "label": labels.astype("int64")})
    return rows, frame.drop(columns=[text_column, label_column])


def _column(frame: pd.DataFrame, wanted: str, usual: Sequence[str], setting: str, name: str) -> str:
    header = ", ".join(repr(column) for column in frame.columns[:12])
    if wanted:
        if wanted in frame.columns and f"{wanted}.1" not in frame.columns:
            return wanted
        raise DataError(
            f"{name}: {setting}={wanted!r} is not in the header ({header}) exactly once: name one of these"
        )
    # pandas tells columns of one name apart by a number.
    found = [column for column in frame.columns if str(column).strip().lower().removesuffix(".1") in usual]
    if len(found) == 1:
        return str(found[0])
    if len(frame.columns) == 1 and any(mark in str(frame.columns[0]) for mark in ";\t|"):
        raise DataError(
            f"{name}: fields of the header ({header}) are not separated by commas: convert the file"
        )
    how = "more than one" if found else "no"
    raise DataError(
        f"{name}: {how} column named {' or '.join(usual)} in the header ({header}): name it in {setting}"
    )


def _outcomes(frame: pd.DataFrame) -> "pd.Series[str]":
    """What becomes of each row: the first of those that agree is used, of those that do not, none.

    Rows are the same if their raw texts have one key, or if their cleaned texts have: a comment
    with an "EDIT: …" tail and the same without it look the same to a model.
    """
    outcomes = pd.Series("used", index=frame.index)
    outcomes[frame["text"] == ""] = "empty"
    cleaned = pd.Series([frozen_key(text) for text in frame["text"]], index=frame.index)
    for same in (frame["key"], cleaned):
        left = outcomes == "used"
        labels = frame[left].groupby(same[left])["label"].transform("nunique")
        outcomes[labels.index[labels > 1]] = "conflict"
        left = outcomes == "used"
        repeated = same[left].duplicated()
        outcomes[repeated.index[repeated]] = "repeat"
    return outcomes


def _check_apart(frame: pd.DataFrame) -> None:
    learning = {frozen_key(str(text)) for text in frame["text"][frame["part"] == "learning"]}
    shared = [
        row.row for row in frame.itertuples() if row.part == "test" and frozen_key(str(row.text)) in learning
    ]
    if shared or not frame["key"].is_unique:
        raise DataError(f"row {shared[:1]}: its text stands in both parts: report this, the split is broken")


def _check_usable(frame: pd.DataFrame) -> None:
    if frame.empty:
        raise DataError("rows=0: no row has both a text and a label: bring comments of both labels")
    for part in ("learning", "test"):
        for label, meaning in ((0, "kept"), (1, "removed")):
            rows = int(((frame["part"] == part) & (frame["label"] == label)).sum())
            if rows == 0:
                raise DataError(
                    f"label {label} ({meaning}): 0 of {len(frame)} usable rows in the {part} part: "
                    "bring comments of both labels, at least a few hundred of each"
                )
