"""What the audit looks at: the learning rows before and after cleaning, and the columns of their files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workflow.exceptions import SettingsError
from workflow.steps import read_part

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from modeling.hashing import Floats
    from modeling.leakage import Columns, Seen

ROW: Final = "row"
# A column of whole numbers of which at least this share is distinct numbers the rows.
DISTINCT: Final = 0.5
# A column of which at least this share is numbers is one of numbers, with gaps.
MOSTLY: Final = 0.5


def seen(
    paths: Sequence[Path], comments: Path, named: tuple[str, str], max_chars: int, let_in: Sequence[str]
) -> "Seen":
    """The learning rows of these files, text and label in the columns ``named``, with columns ``let_in``.

    Raises:
        SettingsError: a column that is let in does not exist.

    """
    from modeling.data import Columns, read_raw
    from modeling.leakage import Seen

    raw, learning = read_raw(paths, Columns(*named), max_chars), read_part(comments / "learning.csv")
    place = learning["row"].to_numpy() - 1
    return Seen(
        keys=list(learning["key"]),
        labels=learning["label"].to_numpy(),
        folds=learning["fold"].to_numpy(),
        before=list(raw.rows["raw"].to_numpy()[place]),
        after=list(learning["text"]),
        columns=_columns(raw.others, place, let_in),
    )


def _columns(
    others: "pd.DataFrame", place: "npt.NDArray[np.intp]", let_in: Sequence[str]
) -> "dict[str, Columns]":
    """The columns of each group of columns and each stage: before, all there are; after, those let in."""
    numbers: dict[str, Floats] = {ROW: place.astype(float)}
    columns: dict[str, Floats] = {}
    for name in map(str, others.columns):
        values, numbers_rows = _values(others[name])
        if numbers_rows:
            numbers[name if name != ROW else f"{ROW} of the file"] = values[place]
        else:
            columns[name] = values[place]
    for name in let_in:
        if name not in {**numbers, **columns}:
            have = ", ".join([*numbers, *columns])
            raise SettingsError(
                f"CHATMOD_LEAKAGE: [inputs] columns={list(let_in)!r}: {name!r} is no column of the comments "
                f"beside text and label: use {have}"
            )
    # "row" means any row number: a shuffled file's own numbers still tell how it was sorted before.
    seen_numbers = {name: each for name, each in numbers.items() if {name, ROW} & set(let_in)}
    seen_columns = {name: each for name, each in columns.items() if name in let_in}
    return {
        "row_number": {"before": numbers, "after": seen_numbers},
        "columns": {"before": columns, "after": seen_columns},
    }


def _values(column: "pd.Series[str]") -> "tuple[Floats, bool]":
    """A column's values as ranks, and whether they number the rows; words are ranked by alphabet."""
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    known = numbers[np.isfinite(numbers)]
    if len(known) < MOSTLY * len(numbers):
        return np.unique(column.fillna("").astype(str), return_inverse=True)[1].astype(float), False
    ranks = np.unique(np.where(np.isfinite(numbers), numbers, -np.inf), return_inverse=True)[1].astype(float)
    is_whole = bool((known == np.floor(known)).all())
    return ranks, is_whole and len(np.unique(known)) >= DISTINCT * len(known) > 0
