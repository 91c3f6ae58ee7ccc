"""Verdicts as the tests send them, and what a journal then holds."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from moderation.labels import Journal
from moderation.schema import LABELS
from moderation.verdicts import Suggestion

TOXICITY = "TOXICITY"


def verdict(
    value: float,
    message: str = "comment:1",
    text: str = "you clown",
    *,
    attributes: Mapping[str, float] | None = None,
    community: str = "Coral:https://news.example",
    source: str = "perspective",
    key: str = "",
    fingerprint: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> Suggestion:
    return Suggestion(
        source=source,
        community=community,
        message=message,
        text=text,
        values=attributes or {TOXICITY: value},
        languages=["en"],
        model_version="7",
        policy_version="0123456789ab",
        provenance=provenance or {},
        key=key,
        fingerprint=fingerprint,
    )


def rows(journal: Journal) -> list[dict[str, Any]]:
    with journal.engine.connect() as connection:
        found = connection.execute(select(LABELS).order_by(LABELS.c.id))
        return [row._asdict() for row in found]


def values(journal: Journal) -> list[float]:
    return [row["value"] for row in rows(journal)]
