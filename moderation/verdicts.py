"""What a label is: a moderator's verdict on one message, as it comes and as it is read back. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

REMOVED_FROM: Final = 0.5


@dataclass(frozen=True)
class Suggestion:
    """One verdict on one message, under one or more attributes.

    Attributes:
        source: the dialect that it came in.
        community: whose rules it follows; may be empty.
        message: the client's own name for the message; empty: it is known by its text.
        text: what was judged.
        values: by attribute, 1 for removed and 0 for kept, or something between.
        languages: of the text.
        model_version: what served when the verdict came, with ``policy_version``; empty: nothing did.
        policy_version: see ``model_version``.
        provenance: where it came from, as JSON.
        key: the client's idempotency key and whose it is; empty: it gave none.
        fingerprint: of the whole request, to know a key that is used for another one.

    """

    source: str
    community: str
    message: str
    text: str
    values: Mapping[str, float]
    languages: Sequence[str] = ()
    model_version: str = ""
    policy_version: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    fingerprint: str = ""

    @property
    def identity(self) -> str:
        """What two verdicts on one message have in common."""
        known_by = ("message", self.message) if self.message else ("text", self.text)
        return digest(self.community, *known_by)


@dataclass(frozen=True)
class Verdict:
    """The last word on one message under one attribute."""

    id: int
    time: datetime
    source: str
    community: str
    message: str
    text: str
    attribute: str
    value: float
    removed: bool
    identity: str


@dataclass(frozen=True)
class Tally:
    """How many rows one community has under one attribute, and how many messages by their last verdict."""

    community: str
    attribute: str
    rows: int
    removed: int
    kept: int


def digest(*parts: str) -> str:
    """The sha256 over some strings, which cannot run into each other."""
    whole = b"".join(b"%d:%b" % (len(part), part) for part in (each.encode() for each in parts))
    return hashlib.sha256(whole).hexdigest()


def storable(value: Any) -> Any:
    """The same string, or JSON of strings, as every database takes it: no NUL, no half of an emoji.

    A cleaned text has no NUL either, so that a model learns from the same.
    """
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value
