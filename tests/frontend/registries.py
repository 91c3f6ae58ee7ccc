"""A small MLflow for the insight page's tests: versions and their files in the form the pipeline writes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.frontend.servers import Answer, answering

MISSING = Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "there is none"})
API = "/api/2.0/mlflow"
RECEIPT = "0123456789abcdef"
HOSTILE_MARKDOWN = (
    "# Receipt <script>alert(1)</script>\n\n"
    "| rule | reason |\n| --- | --- |\n"
    "| primary | ![see](http://192.0.2.1/x.png) [click](http://192.0.2.1/) <img src=http://192.0.2.1/y> |\n\n"
    "`sha256:00ff` :red[alarm] $\\href{http://192.0.2.1}{x}$ http://192.0.2.1/z www.example.org **bold**\n"
)


def figure(value: float, width: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - width, "high": value + width}


def passport(*, sample: bool = False, split: str = "abcdef012345", auc: float = 0.8) -> dict[str, Any]:
    groups = [
        ("entities", "HTML entities", 0.61, 0.5, 0.55, "passed", ""),
        ("length", "length", 0.67, 0.67, None, "allowed", "short messages are removed more often"),
    ]
    return {
        "candidate": "hashed_linear",
        "family": "hashed_linear",
        "kind": "hashed-linear",
        "data": {
            "source": "sample" if sample else "file",
            "name": "sample" if sample else "removals.csv",
            "sha256": "0" * 64,
            "rows": 5600,
            "used": 5555,
            "is_sample": sample,
        },
        "split": {
            "id": split,
            "learning": {"rows": 4444, "removed": 1400},
            "test": {"rows": 1111, "removed": 359},
        },
        "metrics": {
            "roc_auc": figure(auc),
            "pr_auc": figure(0.63),
            "brier": figure(0.17),
            "ece": figure(0.03),
            "ece_uncalibrated": figure(0.09),
            "kept_flagged": figure(0.06),
        },
        "ece_by_chance": 0.021,
        "leak_audit": {
            "status": "passed",
            "part": "learning",
            "rows": 4444,
            "folds": 5,
            "groups": [
                {
                    "name": name,
                    "title": title,
                    "features": ["count"],
                    "before": figure(before),
                    "after": figure(after),
                    "limit": limit,
                    "stage": "after",
                    "verdict": verdict,
                    "reason": reason,
                }
                for name, title, before, after, limit, verdict, reason in groups
            ],
        },
    }


def policy() -> dict[str, Any]:
    off = "no threshold reaches a precision of 0.90"
    flag = {"action": "flag", "target": 0.7, "value": 0.6, "support": 90, "precision": 0.71, "recall": 0.3}
    remove = {"action": "remove", "target": 0.9, "value": None, "reason": off}
    return {"attributes": {"LIKELY_TO_REJECT": {"flag": flag, "remove": remove}}}


def evaluation(*, texts: bool = False) -> dict[str, Any]:
    """Every file of an evaluation, by name."""
    steps = [place / 100 for place in range(101)]
    return {
        "metrics.json": {
            "part": "test",
            "rows": 1111,
            "removed": 359,
            "metrics": passport()["metrics"],
            "ece_by_chance": 0.021,
        },
        "curves.json": {
            "thresholds": [
                {
                    "threshold": at,
                    "precision": None if at > 0.97 else 0.323 + 0.6 * at,
                    "recall": (1 - at) ** 0.7,
                    "false_positive_rate": (1 - at) ** 2,
                    "share": 0.323 * (1 - at) ** 0.7 + 0.677 * (1 - at) ** 2,
                }
                for at in steps
            ],
            "roc": [[at, at**0.35] for at in steps],
            "pr": [[at, 0.9 - 0.577 * at] for at in steps],
        },
        "reliability.json": {
            state: [
                {"score": at / 10 + 0.05, "removed": min(1, at / 10 + shift), "rows": 111} for at in range(10)
            ]
            for state, shift in (("before", 0.12), ("after", 0.05))
        },
        "slices.json": [
            _slice("words_1_10", "10 words or fewer", 312, 0.77, small=False),
            _slice("words_11_30", "11-30 words", 388, 0.74, small=False),
            _slice("links", "with a link", 44, 0.81, small=True),
            {**_slice("artefact", "artefact rows", 9, 0.5, small=True), "metrics": {"roc_auc": None}},
        ],
        "counterfactual.json": {
            "terms": [
                _term("muslim", "religion", 0.093, 0.021),
                _term("woman", "gender", -0.041, -0.006),
            ],
            "largest_change": 0.093,
            "flip_rate": 0.012,
            "pairs": 640,
        },
        "evasion.json": {
            "removed": 359,
            "threshold": 0.6,
            "is_flag": True,
            "kinds": [_kind("leet", "leet (1d10t)"), _kind("zero_width", "zero-width characters")],
        },
        "errors.json": {
            "texts": texts,
            "false_positives": [_mistake(1, 0, 0.93, texts), _mistake(2, 0, 0.91, texts)],
            "false_negatives": [_mistake(3, 1, 0.02, texts)],
        },
        "cost.json": {
            "cpu_ms_p50": 0.21,
            "cpu_ms_p99": 0.4,
            "messages": 500,
            "bundle_bytes": 8_400_000,
            "requires": [],
            "machine": "some processor, 2 cores",
        },
    }


def _slice(name: str, title: str, rows: int, auc: float, *, small: bool) -> dict[str, Any]:
    metrics = {"roc_auc": figure(auc, 0.05), "ece": figure(0.05), "false_positive_rate": figure(0.1)}
    return {
        "name": name,
        "title": title,
        "rows": rows,
        "removed": rows // 3,
        "small": small,
        "metrics": metrics,
    }


def _term(term: str, group: str, largest: float, mean: float) -> dict[str, Any]:
    sizes = {"templates": 20, "messages": 12, "flips": 1, "flip_rate": 1 / 32}
    changes = {"largest_change": largest, "mean_change": mean}
    interval = {"mean_change_low": mean - 0.01, "mean_change_high": mean + 0.01}
    return {"term": term, "group": group, **changes, **interval, **sizes}


def _kind(name: str, title: str) -> dict[str, Any]:
    recalls = {"recall_before": 0.31, "recall_after": 0.12}
    return {"name": name, "title": title, "messages": 110, "mean_drop": figure(0.14), **recalls}


def _mistake(row: int, label: int, score: float, texts: bool) -> dict[str, Any]:  # noqa: FBT001
    said = {"text": f"<b>message</b> number {row}"} if texts else {}
    return {"key": f"{row:064x}", "row": row, "score": score, "label": label, "words": 12, **said}


def receipt(**changes: Any) -> dict[str, Any]:
    made = {"verdict": "promote", "at": "2026-11-21T10:00:00Z", "who": "dana", "forced": None, "rules": []}
    return made | changes


@dataclass
class Registered:
    """One version, as MLflow tells it."""

    number: int
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, Any] = field(
        default_factory=lambda: {"passport.json": passport(), "policy.json": policy()}
    )
    artifacts: dict[str, Any] = field(
        default_factory=lambda: {f"evaluation/{name}": content for name, content in evaluation().items()}
    )

    @property
    def run_id(self) -> str:
        return f"run{self.number}"


@dataclass
class MLflow:
    """What a stand-in of MLflow holds; ``script`` answers by path's end instead, and ``asked`` is noted."""

    url: str = ""
    versions: list[Registered] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)
    script: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler, _: bytes) -> Answer:
        asked = urlsplit(request.path)
        given = {name: values[0] for name, values in parse_qs(asked.query).items()}
        self.asked.append(request.path)
        self.keys.append(request.headers.get("Authorization"))
        for end, scripted in self.script.items():
            if request.path.endswith(end) or asked.path.endswith(end):
                return scripted
        if asked.path == f"{API}/registered-models/get":
            return self._model() if self.versions else MISSING
        if asked.path == f"{API}/model-versions/search":
            return Answer(body={"model_versions": [self._told(one) for one in self.versions]})
        return self._file(asked.path, given)

    def _file(self, path: str, given: dict[str, str]) -> Answer:
        runs = {one.run_id: one for one in self.versions}
        numbers = {str(one.number): one for one in self.versions}
        if path == f"{API}/artifacts/list" and given["run_id"] in runs:
            inside = [
                name for name in runs[given["run_id"]].artifacts if name.startswith(f"{given['path']}/")
            ]
            return Answer(body={"files": [{"path": name, "is_dir": False} for name in inside]})
        if path == "/get-artifact" and given["run_uuid"] in runs:
            return self._content(runs[given["run_uuid"]].artifacts, given["path"])
        if path == "/model-versions/get-artifact" and given["version"] in numbers:
            return self._content(numbers[given["version"]].files, given["path"])
        return MISSING

    @staticmethod
    def _content(files: dict[str, Any], path: str) -> Answer:
        if path not in files:
            return MISSING
        content = files[path]
        return Answer(body=content if isinstance(content, bytes) else json.dumps(content).encode())

    def _model(self) -> Answer:
        aliases = [{"alias": name, "version": str(number)} for name, number in self.aliases.items()]
        return Answer(body={"registered_model": {"name": "chat-moderation", "aliases": aliases}})

    @staticmethod
    def _told(one: Registered) -> dict[str, Any]:
        return {
            "name": "chat-moderation",
            "version": str(one.number),
            "run_id": one.run_id,
            "creation_timestamp": 1763719200000,
            "tags": [{"key": key, "value": value} for key, value in one.tags.items()],
        }

    def add(self, number: int, **changes: Any) -> Registered:
        made = Registered(number, **changes)
        self.versions.append(made)
        return made


@contextmanager
def mlflow() -> Iterator[MLflow]:
    server = MLflow()
    with answering(server.answer) as server.url:
        yield server
