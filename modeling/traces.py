"""Which comments carry traces of how they were collected, in their raw text: a slice of their own.

On r/science's removals kept comments came from one archive and removed ones from another, so that encoding
alone told the label. Cleaning takes the traces away; a model that still knows them shows it on this slice.
"""

from typing import Final

from modeling.artefacts import GROUPS
from modeling.text import EDIT_TAIL, LEADING_EDIT, clean

NAMES: Final = ("entities", "encoding_residue", "non_ascii")
_GROUPS: Final = tuple(group for group in GROUPS if group.name in NAMES)


def has_artefacts(raw: str) -> bool:
    """Whether a raw text has entities, ``<U+XXXX>``, non-ASCII characters, residue or "EDIT: …" tails."""
    return any(any(group.of(raw)) for group in _GROUPS) or _was_edited(raw)


def _was_edited(raw: str) -> bool:
    if "edit" not in raw.lower() or not (LEADING_EDIT.match(raw.strip()) or EDIT_TAIL.search(raw)):
        return False
    # without the words that cleaning cuts, is less left than there was?
    return clean(raw) != " ".join(raw.split())
