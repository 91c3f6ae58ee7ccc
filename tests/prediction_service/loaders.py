"""Loaders for tests: one that has done its work, and one that never begins."""

from pathlib import Path
from typing import Any

from prediction_service.loader import Loader, from_disk


def settled(loader: Loader) -> Loader:
    """The loader, when it has loaded or given up."""
    loader.start()
    loader.join(30)
    assert loader.current().status != "loading"
    return loader


def loaded_from(bundle_dir: Path, **options: Any) -> Loader:
    """A loader that has loaded the bundle of a directory, or failed at it."""
    return settled(Loader(lambda: from_disk(bundle_dir), retry=False, **options))


def not_begun() -> Loader:
    """A loader that has not begun."""
    return Loader(lambda: from_disk(Path("nothing")), retry=False)
