"""What in the registry disagrees, in words: a pure function of what MLflow and the service say."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workflow.tracking.names import (
    CHALLENGER,
    CHAMPION,
    DIGEST_TAG,
    RECEIPT_SHA_TAG,
    RECEIPT_TAG,
    VERDICT_TAG,
)

if TYPE_CHECKING:
    from workflow.tracking.registry import Version

PROMOTE: Final = "promote"
REFUSE: Final = "refuse"
DIGITS: Final = 12


@dataclass(frozen=True)
class Served:
    """What a service says that it serves, and where it listens."""

    address: str
    version: str
    digest: str


@dataclass(frozen=True)
class Found:
    """A version as MLflow tells it, and what its files are.

    Attributes:
        version: with tags, aliases and figures.
        digest: of its files; empty where they cannot be read.
        trouble: why not.
        receipt_sha256: of the receipt that its tags name; empty where there is none.

    """

    version: "Version"
    digest: str
    trouble: str
    receipt_sha256: str


def disagreements(found: Sequence[Found], served: Served | None) -> list[str]:
    """A line for each thing that is not as it should be, with what to do about it."""
    each = [line for one in found for line in (*_files(one), *_receipt(one), *_aliases(one))]
    return [*each, *_doubles(found), *_serving(found, served)]


def _files(one: Found) -> Iterator[str]:
    name, stated = _name(one), one.version.tags.get(DIGEST_TAG, "")
    if one.trouble:
        yield f"{name}: its bundle cannot be read ({one.trouble})"
    elif one.digest != stated:
        yield (
            f"{name}: its files have the digest {one.digest[:DIGITS]}, its tag says "
            f"{stated[:DIGITS] or 'none'}: one of them was altered, restore it from a copy"
        )
    if not one.version.state:
        yield f"{name}: its run {one.version.run_id} is gone, and with it figures and receipts: restore it"
    elif one.version.state == "RUNNING":
        yield f"{name}: its run has never ended: register it again (step register), which marks the run"


def _receipt(one: Found) -> Iterator[str]:
    tags, name = one.version.tags, _name(one)
    stated = tags.get(RECEIPT_TAG)
    if VERDICT_TAG in tags and not one.receipt_sha256:
        yield f"{name}: is tagged {tags[VERDICT_TAG]}, and its receipt {stated} is not there: judge it again"
    elif one.receipt_sha256 and one.receipt_sha256 != tags.get(RECEIPT_SHA_TAG):
        yield (
            f"{name}: receipt {stated} has the sha256 {one.receipt_sha256[:DIGITS]}, its tag says "
            f"{tags.get(RECEIPT_SHA_TAG, 'none')[:DIGITS]}: one of them was altered: see who may write "
            "to MLflow, and run gate once it is restored"
        )


def _aliases(one: Found) -> Iterator[str]:
    name, verdict = _name(one), one.version.tags.get(VERDICT_TAG, "none")
    if CHAMPION in one.version.aliases and (verdict != PROMOTE or not one.receipt_sha256):
        yield (
            f"{name}: is champion, and no receipt promotes it (verdict {verdict}): somebody moved the alias; "
            "take it away in MLflow, and run gate"
        )
    if CHALLENGER in one.version.aliases and verdict == REFUSE:
        yield f"{name}: is challenger, and was refused: somebody moved the alias; run gate, it chooses"


def _doubles(found: Sequence[Found]) -> Iterator[str]:
    by_digest: dict[str, list[int]] = defaultdict(list)
    for one in found:
        by_digest[one.version.tags.get(DIGEST_TAG, "")].append(one.version.number)
    for digest, numbers in by_digest.items():
        if digest and len(numbers) > 1:
            listed = " and ".join(map(str, numbers))
            yield f"versions {listed}: are one bundle, {digest[:DIGITS]}: delete the later one in MLflow"


def _serving(found: Sequence[Found], served: Served | None) -> Iterator[str]:
    champion = next((one for one in found if CHAMPION in one.version.aliases), None)
    if served is None or champion is None:
        return
    if served.digest != champion.version.tags.get(DIGEST_TAG):
        yield (
            f"the service at {served.address} serves {served.version} ({served.digest[:DIGITS]}), champion "
            f"is {_name(champion)}: start it again with make run, or set CHATMOD_API_MODEL_VERSION"
        )


def _name(one: Found) -> str:
    return f"version {one.version.number}"
