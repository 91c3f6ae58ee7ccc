"""Which comments a run uses: a path, Kaggle or the project's sample. Brings files, knows no columns."""

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from workflow import kaggle_source
from workflow.cached_file import file_sha256
from workflow.exceptions import KaggleError, SourceError
from workflow.kaggle_source import Patience

KAGGLE: Final = "kaggle"
SAMPLE: Final = "sample"
SAMPLE_FILES: Final = ("kept.csv", "removed.csv")
REMEDY: Final = f"give a CSV file, a folder of CSV files, {KAGGLE} or {SAMPLE}"
INSTEAD: Final = f"a CSV file, a folder of CSV files or {SAMPLE} does without Kaggle"


@dataclass(frozen=True)
class Source:
    """The comments of a run: what the download step records.

    ``name`` never holds a path of this machine, ``sha256`` is `digest` of the files, and ``note`` says
    why the sample was taken where nothing was chosen.
    """

    kind: Literal["file", "kaggle", "sample"]
    name: str
    files: tuple[Path, ...]
    sha256: str
    note: str = ""


def resolve(
    choice: str,
    *,
    dataset: str,
    cache: Path,
    timeout_s: float,
    progress: Callable[[str], None],
) -> Source:
    """The comments that CHATMOD_DATA chooses, as files on this machine.

    Args:
        choice: a path, ``kaggle``, ``sample``, or empty: Kaggle, and the sample where it does not deliver.
        dataset: which of Kaggle's two variants.
        cache: where downloads are kept.
        timeout_s: how long Kaggle may be silent; with an empty choice, how long until it answers at all.
        progress: told what happens, a line at a time.

    Raises:
        SourceError: the choice cannot be had; names the setting, its value and the remedy.

    """
    if choice == SAMPLE:
        return _sample()
    if choice not in ("", KAGGLE):
        return _from_path(choice)
    patience = Patience.endless(timeout_s) if choice else Patience.brief(timeout_s)
    try:
        files = kaggle_source.fetch(dataset, cache / KAGGLE, patience, progress)
    except KaggleError as error:
        if choice:
            msg = f"CHATMOD_DATA={choice}: {error}; {INSTEAD}"
            raise KaggleError(msg) from error
        progress(f"{error}; taking the project's own sample")
        return _sample(note=str(error))
    return Source("kaggle", f"{kaggle_source.REF} ({dataset})", files, digest(files))


def digest(files: tuple[Path, ...]) -> str:
    """One checksum over the sorted names and checksums of files, wherever they lie."""
    lines = sorted(f"{path.name}\0{file_sha256(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sample(note: str = "") -> Source:
    folder = Path(__file__).parent / SAMPLE
    files = tuple(folder / name for name in SAMPLE_FILES)
    try:
        return Source("sample", SAMPLE, files, digest(files), note)
    except OSError as error:
        lost = Path(error.filename).name
        msg = f"CHATMOD_DATA={SAMPLE}: {lost} cannot be read ({error.strerror}): install the package again"
        raise SourceError(msg) from error


def _from_path(choice: str) -> Source:
    try:
        path = Path(choice).expanduser().resolve()
        files = _files_of(path, choice)
        return Source("file", path.name, files, digest(files))
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _refusal(choice, f"cannot be read ({reason})") from error


def _files_of(path: Path, choice: str) -> tuple[Path, ...]:
    """The file itself, or a folder's CSV files by name; each a regular file with something in it."""
    files = [path]
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if _is_data(entry.name))
        if not files:
            raise _refusal(choice, "is a folder without a *.csv file")
    for file in files:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _refusal(choice, f"leads to {file.name}, which is not a regular file")
        if found.st_size == 0:
            raise _refusal(choice, f"leads to {file.name}, which is empty")
    return tuple(files)


def _is_data(name: str) -> bool:
    return name.lower().endswith(".csv") and not name.startswith(".")


def _refusal(choice: str, why: str) -> SourceError:
    return SourceError(f"CHATMOD_DATA={choice!r} {why}: {REMEDY}")
