"""The texts of MLflow's input forms and of CSV, checked and in order. Knows no HTTP and no model."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, Never

from prediction_service.dialects.dialect import Limits
from prediction_service.problems import MAX_ERRORS, Refusal, invalid, shown
from prediction_service.wire import FieldError

COLUMN: Final = "text"
SPLIT_KEYS: Final = frozenset({"columns", "data", "index"})
MISSING: Final = object()
Rows = Iterable[tuple[str, Any]]


def texts_of(form: str, given: Any, limits: Limits) -> list[str]:
    """The texts of one of the four JSON forms.

    Raises:
        Refusal: the form has another shape, no column `text`, too many rows, or one that is no text.

    """
    return _checked(FORMS[form](form, given), limits)


def texts_of_csv(content: bytes, limits: Limits) -> list[str]:
    """The texts of the column `text`, under a header line.

    Raises:
        Refusal: it is no CSV in UTF-8, has no such column, too many rows, or a row without its text.

    """
    try:
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
        return _checked(_csv_rows(csv.reader(lines, strict=True)), limits)
    except (csv.Error, UnicodeDecodeError) as error:
        _refuse(f"the body cannot be read as CSV in UTF-8 ({error}): quote texts as DataFrame.to_csv() does")


def allow_fields(limits: Limits) -> None:
    """Let a field of CSV be as long as a text may be; the limit is the process's, and only raised."""
    csv.field_size_limit(max(csv.field_size_limit(), limits.text_chars))


def _checked(rows: Rows, limits: Limits) -> list[str]:
    counted = list(islice(rows, limits.records + 1))
    if len(counted) > limits.records:
        remedy = f"send at most {limits.records} in one request"
        raise invalid([FieldError(field="rows", value=f"more than {limits.records}", remedy=remedy)])
    if wrong := list(islice(_wrong(counted, limits.text_chars), MAX_ERRORS)):
        raise invalid(wrong)
    return [text for _, text in counted]


def _wrong(rows: Rows, most: int) -> Iterator[FieldError]:
    for place, text in rows:
        if text is MISSING:
            yield FieldError(field=place, value="missing", remedy="give each row its text")
        elif not isinstance(text, str):
            yield FieldError(field=place, value=shown(text), remedy="give a string")
        elif len(text) > most:
            remedy = f"send at most {most} characters"
            yield FieldError(field=place, value=f"{len(text)} characters", remedy=remedy)


def _split(form: str, given: Any) -> Rows:
    if not isinstance(given, dict):
        _refuse(f"Dataframe split format must be a dictionary. Got {shown(given)}.")
    if "data" not in given or not given.keys() <= SPLIT_KEYS:
        wanted = "must have 'data' field and optionally 'columns' and 'index' fields"
        _refuse(f"Dataframe split format {wanted}. Got {_first(sorted(given))}.")
    columns, data = given.get("columns"), given["data"]
    if not isinstance(columns, list) or not isinstance(data, list):
        _refuse(f"{form}: give 'columns' and 'data' as lists")
    at, width = _place_of_text(columns), len(columns)
    for number, row in enumerate(data):
        cells = row if isinstance(row, list) else [row]
        if len(cells) != width:
            _refuse(f"{form}.data[{number}]: {width} columns passed, passed data had {len(cells)} columns")
        yield f"{form}.data[{number}][{at}]", cells[at]


def _records(form: str, given: Any) -> Rows:
    if not isinstance(given, list):
        _refuse(f"Dataframe records format must be a list of records. Got {shown(given)}.")
    if not any(isinstance(row, dict) and COLUMN in row for row in given):
        _missing(dict.fromkeys(name for row in given if isinstance(row, dict) for name in row))
    return _named(form, given)


def _named(form: str, given: list[Any]) -> Rows:
    for number, row in enumerate(given):
        if isinstance(row, dict):
            yield f"{form}[{number}].{COLUMN}", row.get(COLUMN, MISSING)
        else:
            yield f"{form}[{number}]", MISSING


def _values(form: str, given: Any) -> Rows:
    """A list of texts, a list of records, or a column by name: `instances` and `inputs` alike."""
    if isinstance(given, dict):
        if COLUMN not in given:
            _missing(given)
        column = given[COLUMN]
        texts = column if isinstance(column, list) else [column]
        return ((f"{form}.{COLUMN}[{number}]", text) for number, text in enumerate(texts))
    if not isinstance(given, list):
        _missing(())
    if any(isinstance(row, dict) for row in given):
        return _records(form, given)
    return ((f"{form}[{number}]", text) for number, text in enumerate(given))


FORMS: Final[Mapping[str, Callable[[str, Any], Rows]]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _values,
    "inputs": _values,
}


def _csv_rows(lines: Iterator[list[str]]) -> Rows:
    header = next((line for line in lines if line), None)
    if header is None:
        _refuse("the body has no header line: name the columns in the first, text among them")
    at, width = _place_of_text(header), len(header)
    for number, line in enumerate(line for line in lines if line):
        if len(line) > width:
            _refuse(f"row {number}: {width} columns in the header, {len(line)} here: quote what has commas")
        yield f"{COLUMN}[{number}]", line[at] if at < len(line) else MISSING


def _place_of_text(columns: list[Any]) -> int:
    if COLUMN not in columns:
        _missing(columns)
    if columns.count(COLUMN) > 1:
        _refuse(f"there are {columns.count(COLUMN)} columns {COLUMN!r}: send one of them")
    return columns.index(COLUMN)


def _missing(others: Iterable[Any]) -> Never:
    extra = f" Note that there were extra inputs: {found}." if (found := _first(others)) else ""
    message = f"Failed to enforce schema. Error: Model is missing inputs ['{COLUMN}'].{extra}"
    raise Refusal(HTTPStatus.BAD_REQUEST, message, code="INVALID_PARAMETER_VALUE")


def _first(names: Iterable[Any]) -> str:
    return ", ".join(shown(name) for name in islice(names, MAX_ERRORS))


def _refuse(message: str) -> Never:
    raise Refusal(HTTPStatus.BAD_REQUEST, message)
