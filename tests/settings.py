"""Where the tests find what is not in the repository; the only reader of CHATMOD_TEST_*."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TestSettings:
    """What CI sets: CI itself, and CHATMOD_TEST_DATA, which names the real r/science file."""

    __test__ = False
    data: Path | None
    ci: bool


def _read() -> TestSettings:
    known = {"CHATMOD_TEST_DATA", "CHATMOD_TEST_CRDS"}
    unknown = [key for key in os.environ if key.startswith("CHATMOD_TEST_") and key not in known]
    if unknown:
        raise ValueError(f"{unknown[0]} is no setting of the tests: use one of {sorted(known)}")
    data = os.environ.get("CHATMOD_TEST_DATA")
    return TestSettings(Path(data) if data else None, os.environ.get("CI") == "true")


def of_the_product() -> list[str]:
    """The names of settings that whoever runs the tests has chosen for the product."""
    return [key for key in os.environ if key.startswith("CHATMOD_") and not key.startswith("CHATMOD_TEST_")]


TEST = _read()
