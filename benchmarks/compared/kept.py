"""What was measured, kept so that a stopped run goes on: scores in a file, bundles in a folder beside it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow.fingerprint import of_code

Results = dict[str, dict[str, Any]]


class Kept:
    """Results by name in a file and bundles in a folder beside it, or in a folder that goes."""

    def __init__(self, path: Path | None, own: str) -> None:
        self._path = path or Path(own, "results.json")
        self.results: Results = json.loads(self._path.read_text()) if self._path.exists() else {}

    def begin(self, name: str, told: Mapping[str, Any], *, again: bool) -> dict[str, Any]:
        """The result so far, if it is of the same parameters, rows and folds."""
        told = json.loads(json.dumps(told))
        old = self.results.get(name, {})
        if again or {key: old.get(key) for key in told} != told:
            self.results[name] = dict(told)
            shutil.rmtree(self.bundle(name), ignore_errors=True)
        elif old["code"] != of_code():
            print(f"{name}: kept from other code; --again {name} measures anew", flush=True)
        return self.results[name]

    def bundle(self, name: str) -> Path:
        """Where a candidate's bundle is kept."""
        return self._path.with_suffix(".bundles") / name

    def write(self) -> None:
        """Keep what there is, whole or not at all."""
        draft = self._path.with_name(f".{self._path.name}")
        draft.write_text(json.dumps(self.results))
        draft.replace(self._path)
