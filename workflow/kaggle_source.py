"""The r/science comments from Kaggle: which files, from the cache or the network, and how often to try."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workflow.cached_file import CachedFile, IncompleteError, locked
from workflow.exceptions import KaggleError, SourceError

if TYPE_CHECKING:
    from workflow.kaggle_client import AgainError, Delivery

REF: Final = "areeves87/rscience-popular-comment-removal"
FILES: Final = {
    "reddit": ("reddit_train.csv", "reddit_test.csv"),
    "reddit_200k": ("reddit_200k_train.csv", "reddit_200k_test.csv"),
}
TRIES: Final = 5
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 120.0
STEPS: Final = 10

Progress = Callable[[str], None]


@dataclass
class Patience:
    """How long to wait: for an answer, and until Kaggle has answered at all."""

    timeout_s: float
    reached_by: float = math.inf

    @classmethod
    def endless(cls, timeout_s: float) -> "Patience":
        """For someone who wants Kaggle and nothing else: each try has its limit, the whole has none."""
        return cls(timeout_s)

    @classmethod
    def brief(cls, timeout_s: float) -> "Patience":
        """For someone who takes the sample instead: Kaggle answers within the limit, tries included."""
        return cls(timeout_s, time.monotonic() + timeout_s)

    @property
    def limit_s(self) -> float:
        """What is left for the next answer."""
        return min(self.timeout_s, self.reached_by - time.monotonic())

    def allows(self, wait_s: float) -> bool:
        """Whether there is time for a pause of this length."""
        return wait_s <= LONGEST_WAIT_S and time.monotonic() + wait_s < self.reached_by

    def reached(self) -> None:
        """Kaggle delivers: from here on only silence ends the waiting."""
        self.reached_by = math.inf


def fetch(dataset: str, folder: Path, patience: Patience, progress: Progress) -> tuple[Path, ...]:
    """The data set's files on this disk; those already here with the right checksum cost no request.

    Args:
        dataset: a key of `FILES`.
        folder: where the files are kept.
        patience: how long to wait for Kaggle.
        progress: told what happens, a line at a time.

    Raises:
        KaggleError: Kaggle does not deliver.
        SourceError: an unknown data set, or a disk that is full or cannot be written.

    """
    if dataset not in FILES:
        msg = f"CHATMOD_DATASET={dataset!r} is not known: give one of {', '.join(FILES)}"
        raise SourceError(msg)
    with locked(folder, lambda: progress(f"waiting: another run holds {folder.name}")):
        for name in FILES[dataset]:
            _have(CachedFile(folder / name), patience, progress)
    return tuple(folder / name for name in FILES[dataset])


def _have(file: CachedFile, patience: Patience, progress: Progress) -> None:
    name = file.path.name
    state = file.state()
    if state == "whole":
        progress(f"{name}: in the cache, checksum verified")
        return
    if state == "altered":
        progress(f"{name}: ALTERED in the cache (size or sha256 is not the recorded one); fetching it again")
    from workflow.kaggle_client import AgainError

    for tries in range(1, TRIES + 1):
        try:
            _download(file, patience, progress)
        except (AgainError, IncompleteError) as error:
            _pause(error, tries, patience, progress)
        else:
            return


def _pause(error: "AgainError | IncompleteError", tries: int, patience: Patience, progress: Progress) -> None:
    """Wait before the next try, or give up in words."""
    asked = getattr(error, "wait_s", None)
    wait_s = FIRST_WAIT_S * 2 ** (tries - 1) if asked is None else asked
    # Who never answered is not there: only someone who insists on Kaggle waits for it to appear.
    hopeless = not getattr(error, "reached", True) and patience.reached_by < math.inf
    if hopeless or tries == TRIES or not patience.allows(wait_s):
        pause = f"; it asks for a pause of {asked:.0f} s" if asked else ""
        later = f" (try {tries} of {TRIES}{pause}): run again later, what has arrived is kept"
        raise KaggleError(str(error) if hopeless else f"{error}{later}") from error
    progress(f"{error}; try {tries + 1} of {TRIES} in {wait_s:.1f} s")
    time.sleep(wait_s)


def _download(file: CachedFile, patience: Patience, progress: Progress) -> None:
    from workflow.kaggle_client import Wanted, ask

    wanted = Wanted(REF, file.path.name)
    progress(f"{wanted.name}: asking Kaggle for {REF} (answer expected within {patience.limit_s:.1f} s)")
    delivery = ask(wanted, timeout_s=patience.timeout_s, limit_s=patience.limit_s)
    patience.reached()
    try:
        arrived = file.arrived(delivery.remote)
        if arrived and arrived != delivery.remote.size:
            delivery = delivery.resumed(arrived, patience.limit_s)
        if not arrived or arrived != delivery.remote.size:
            file.write(delivery.remote, _counted(delivery, progress), delivery.offset)
    finally:
        delivery.close()
    file.finish(delivery.remote)
    progress(f"{wanted.name}: kept, {file.path.stat().st_size:,} bytes")


def _counted(delivery: "Delivery", progress: Progress) -> Iterator[bytes]:
    """The chunks, with a line of progress at each tenth of the file."""
    name, done, size = delivery.wanted.name, delivery.offset, delivery.remote.size
    if done:
        progress(f"{name}: continuing behind {done:,} bytes")
    told = done * STEPS // size if size else 0
    for chunk in delivery.chunks():
        done += len(chunk)
        if size and done * STEPS // size > told:
            told = done * STEPS // size
            progress(f"{name}: {done:,} of {size:,} bytes ({100 * done // size} %)")
        yield chunk
