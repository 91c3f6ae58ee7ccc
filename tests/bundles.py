"""What tests do to bundles that users cannot."""

import json
from pathlib import Path

from modeling import bundle


def reseal(directory: Path, **changes: object) -> None:
    """State something else in a passport, and seal it as if it had always been so."""
    passport = json.loads((directory / bundle.PASSPORT).read_text())
    stated = json.dumps({**passport, **changes, "seal": bundle.UNSEALED})
    (directory / bundle.PASSPORT).write_bytes(bundle._sealed(stated))
