"""A receipt as Markdown: verdict first, then why, each rule, and whose data and models they were. Pure."""

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from modeling.receipt import Receipt, RuleResult

HEAD: Final = ("| rule | value | interval | limit | verdict | why |", "| --- | --- | --- | --- | --- | --- |")
# What would be a table's, a page's or a link's own mark in a text from outside.
MARKS: Final = "\\|`*_[]<>#"


def page(receipt: "Receipt") -> str:
    """The receipt for whoever releases."""
    parts = [
        f"# {_headline(receipt)}",
        *_forced(receipt),
        _cell(receipt.reason),
        "\n".join((*HEAD, *(_row(one) for one in receipt.rules))),
        "\n".join(_facts(receipt)),
        *_forced(receipt),
    ]
    return "\n\n".join(parts) + "\n"


def _headline(receipt: "Receipt") -> str:
    new = _cell(str(receipt.candidate["name"]))
    old = _cell(str(receipt.champion["name"])) if receipt.champion else ""
    if receipt.verdict == "promote":
        done = f"{new} replaces {old}" if old else f"{new} becomes the first champion"
        return f"{'FORCED PROMOTION' if receipt.forced else 'Promote'}: {done}"
    kept = f"{old} stays champion" if old else "there is still no champion"
    return f"{receipt.verdict.capitalize()}: {kept}, {new} is not promoted"


def _forced(receipt: "Receipt") -> list[str]:
    if receipt.forced is None:
        return []
    said = {name: _cell(text) for name, text in receipt.forced.items()}
    line = (
        f"> **FORCED against the gate's verdict ({said['verdict']})** by {said['by']}, "
        f"seconded by {said['second']}. Their reason: {said['reason']}"
    )
    return [line]


def _row(one: "RuleResult") -> str:
    verdict = f"**{one.verdict}**" if one.verdict == "violated" else one.verdict
    cells = (_cell(one.title), _cell(shown(one.value)), between(one.low, one.high), _cell(shown(one.limit)))
    return f"| {' | '.join(cells)} | {verdict} | {_cell(one.reason)} |"


def _facts(receipt: "Receipt") -> list[str]:
    data = receipt.data
    main = (
        f"- Data: {_cell(data['name'])}, {_cell(data['part'])} part, {data['rows']:,} rows, "
        f"{data['removed']:,} removed, sha256 `{_cell(data['sha256'])}`"
    )
    others = [
        f"{_cell(name)} {_plain(value)}"
        for name, value in sorted(data.items())
        if name not in {"name", "part", "rows", "removed", "sha256"}
    ]
    models = [
        f"- {role}: " + ", ".join(f"{_cell(name)} {_plain(value)}" for name, value in model.items())
        for role, model in (("Candidate", receipt.candidate), ("Champion", receipt.champion))
        if model
    ]
    asked = f"- Judged for {_cell(receipt.who)} at {_cell(receipt.at)}; receipt {receipt.id}"
    return ["; ".join((main, *others)), *models, asked]


def shown(value: float | str | None) -> str:
    """A value as people read it; nothing where there is none."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


def between(low: float | None, high: float | None) -> str:
    """An interval as people read it; nothing where there is none."""
    return "" if low is None or high is None else f"[{shown(low)}, {shown(high)}]"


def _plain(value: Any) -> str:
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return _cell(shown(value)) or "unknown"
    return _cell(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _cell(text: str) -> str:
    """On one line, and nothing in it is a mark."""
    plain = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in MARKS else letter for letter in plain)
