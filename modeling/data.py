"""Comments from CSV files to one checked, de-duplicated, split frame. The only reader of raw comments."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from modeling.exceptions import DataError
from modeling.split import fold_of, frozen_key, part_of
from modeling.text import clean

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

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return asdict(self)


def read_comments(
    paths: Sequence[Path], columns: Columns | None = None, max_chars: int = MAX_CHARS
) -> tuple[pd.DataFrame, Counts]:
    """Read, validate, clean, de-duplicate and split comments.

    Returns:
        A frame with ``row`` (number over all files, from 1), ``key``, ``part``, ``fold``, ``label``
        (0 kept, 1 removed) and ``text`` (cleaned), and what became of the rows.

    Raises:
        DataError: a file, header, text or label cannot be used; or a label has no rows.

    """
    counts = Counts()
    frames = []
    for path in paths:
        text, counts.encodings[path.name] = decode(path)
        frames.append(_parse(text, path.name, columns or Columns(), max_chars))
    frame = pd.concat(frames, ignore_index=True)
    frame.insert(0, "row", range(1, len(frame) + 1))
    counts.rows = len(frame)
    frame["key"] = [frozen_key(body) for body in frame["raw"]]
    frame["text"] = [clean(body) for body in frame.pop("raw")]
    frame = _without_repeats(_without_empty(frame, counts), counts)
    counts.kept = len(frame)
    frame["part"] = [part_of(key) for key in frame["key"]]
    frame["fold"] = [fold_of(key) for key in frame["key"]]
    _check_usable(frame)
    return frame[["row", "key", "part", "fold", "label", "text"]], counts


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


def _parse(text: str, name: str, columns: Columns, max_chars: int) -> pd.DataFrame:
    try:
        frame = pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(
            f"{name}: not a complete CSV file ({str(error).strip()}): it may have been cut off; get it again"
        ) from error
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
    return pd.DataFrame({"raw": raw, "label": labels.astype("int64")})


def _column(frame: pd.DataFrame, wanted: str, usual: Sequence[str], setting: str, name: str) -> str:
    header = ", ".join(repr(column) for column in frame.columns[:12])
    if wanted:
        if wanted in frame.columns:
            return wanted
        raise DataError(f"{name}: {setting}={wanted!r} is not in the header ({header}): name one of these")
    found = [column for column in frame.columns if str(column).strip().lower() in usual]
    if len(found) == 1:
        return str(found[0])
    how = "more than one" if found else "no"
    raise DataError(
        f"{name}: {how} column named {' or '.join(usual)} in the header ({header}): name it in {setting}"
    )


def _without_empty(frame: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    filled = frame[frame["text"] != ""]
    counts.empty = len(frame) - len(filled)
    return filled


def _without_repeats(frame: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    labels = frame.groupby("key")["label"].transform("nunique")
    agreed = frame[labels == 1]
    counts.conflicts_dropped = len(frame) - len(agreed)
    once = agreed.drop_duplicates("key").reset_index(drop=True)
    counts.duplicates_merged = len(agreed) - len(once)
    return once


def _check_usable(frame: pd.DataFrame) -> None:
    for part in ("learning", "test"):
        for label, meaning in ((0, "kept"), (1, "removed")):
            rows = int(((frame["part"] == part) & (frame["label"] == label)).sum())
            if rows == 0:
                raise DataError(
                    f"label {label} ({meaning}): 0 of {len(frame)} usable rows in the {part} part: "
                    "bring comments of both labels, at least a few hundred of each"
                )
