"""The insight page's tables and token colours as HTML; what comes from outside is escaped. No Streamlit."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from frontend.client import Explanation
from frontend.evidence import AuditGroup, Figure, Mistake
from frontend.experiments import Row
from frontend.intervals import NONE, told
from frontend.markup import plain

METRICS: Final = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "brier": "Brier score", "ece": "ECE"}
TOP: Final = 12
MEGA: Final = 1e6


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table whose cells are HTML already; wider than the page, it scrolls by itself."""
    top = "".join(f'<th scope="col">{plain(title)}</th>' for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="cm-scroll" tabindex="0"><table class="cm-table {kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def versions(rows: Sequence[Row]) -> str:
    """Versions side by side, newest first."""
    head = ["version", "candidate", "data and part", *METRICS.values(), "gate", "CPU ms a message", "size"]
    return table(head, (_version(row) for row in rows), "cm-versions")


def _version(row: Row) -> list[str]:
    badges = "".join(f'<span class="cm-chip">{plain(alias)}</span>' for alias in row.version.aliases)
    number = f"<b>{row.version.number}</b> {badges}"
    if row.passport is None:
        return [number, f'<span class="cm-quiet">{plain(row.trouble)}</span>', *[""] * (len(METRICS) + 4)]
    passport, test = row.passport, row.passport.split.test
    sample = ' <span class="cm-chip cm-sample">sample</span>' if passport.data.is_sample else ""
    data = (
        f"{plain(passport.data.name)}{sample}<small>test part, n = {test.rows:,}, {test.removed:,} removed; "
        f"split {plain(passport.split.id)}</small>"
    )
    candidate = f"{plain(passport.candidate)}<small>{plain(passport.kind)}</small>"
    figures = [interval(passport.metrics.get(name)) for name in METRICS]
    return [number, candidate, data, *figures, verdict(row.version.tags), *_cost(row)]


def interval(figure: Figure | None) -> str:
    """A figure over its interval."""
    if figure is None or figure.value is None:
        return NONE
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}<small>no interval</small>"
    return f"{figure.value:.3f}<small>{figure.low:.3f} to {figure.high:.3f}</small>"


def verdict(tags: Mapping[str, str]) -> str:
    """What the gate said of a version, and whether somebody went against it."""
    said = tags.get("verdict", "")
    if not said:
        return '<span class="cm-quiet">not judged</span>'
    forced = '<span class="cm-chip cm-forced">forced</span>' if tags.get("forced") else ""
    return f'<span class="cm-chip cm-gate-{_word(said)}">{plain(said)}</span>{forced}'


def _word(text: str) -> str:
    return text if text in {"promote", "refuse", "inconclusive"} else "other"


def _cost(row: Row) -> list[str]:
    if row.cost is None:
        return [NONE, NONE]
    times = [one for one in (row.cost.cpu_ms_p50, row.cost.cpu_ms_p99) if one is not None]
    labels = " / ".join(f"{one:.2f}" for one in times) or NONE
    where = f"p50 / p99, {row.cost.messages:,} messages, {row.cost.machine}" if times else ""
    size = f"{row.cost.bundle_bytes / MEGA:.1f} MB" if row.cost.bundle_bytes is not None else NONE
    return [f"{labels}<small>{plain(where)}</small>", size]


def audit(groups: Sequence[AuditGroup]) -> str:
    """The leak audit's groups with their limits and why one is allowed."""
    return table(
        ["group", "before cleaning", "after cleaning", "limit", "verdict", "reason"],
        (
            [
                plain(group.title or group.name),
                interval(group.before),
                interval(group.after),
                "none"
                if group.limit is None
                else f"{group.limit:g}<small>{plain(group.stage)} cleaning</small>",
                f'<span class="cm-chip cm-audit-{_known(group.verdict)}">{plain(group.verdict)}</span>',
                plain(group.reason),
            ]
            for group in groups
        ),
        "cm-audit",
    )


def _known(text: str) -> str:
    return text if text in {"passed", "failed", "allowed", "undecided"} else "other"


def mistakes(found: Sequence[Mistake], *, texts: bool) -> str:
    """Errors, worst first; the text only where the report holds it."""
    head = ["score", "moderators", "words", "row", *(["text"] if texts else []), "key"]
    return table(
        head,
        (
            [
                f"{one.score:.3f}",
                "removed" if one.label else "kept",
                f"{one.words:,}",
                f"{one.row:,}",
                *([f'<div class="cm-text" dir="auto">{plain(one.text or "")}</div>'] if texts else []),
                f"<code>{plain(one.key[:12])}</code>",
            ]
            for one in found
        ),
        "cm-errors",
    )


def coloured(text: str, explanation: Explanation) -> str:
    """The text with each token coloured by what it adds to the logit; what nothing was read of is grey."""
    units = text.encode("utf-16-le", "surrogatepass")
    largest = max((abs(one.contribution) for one in explanation.tokens), default=0.0) or 1.0
    shown, end = [], 0
    for one in sorted(explanation.tokens, key=lambda each: each.begin):
        shown.append(_unread(_slice(units, end, one.begin)))
        side = "more" if one.contribution > 0 else "less"
        weight = abs(one.contribution) / largest
        token = plain(_slice(units, max(one.begin, end), one.end))
        shown.append(
            f'<span class="cm-token cm-{side}" style="--cm-weight:{weight:.2f}" '
            f'title="{one.contribution:+.3f}">{token}</span>'
        )
        end = max(end, one.end)
    shown.append(_unread(_slice(units, end, len(units) // 2)))
    return f'<div class="cm-tokens" dir="auto">{"".join(shown)}</div>'


def _slice(units: bytes, begin: int, end: int) -> str:
    return units[2 * begin : 2 * end].decode("utf-16-le", "replace")


def _unread(text: str) -> str:
    return plain(text) if not text.strip() else f'<span class="cm-unread">{plain(text)}</span>'


def sum_of(explanation: Explanation, score: float | None) -> str:
    """How intercept and contributions add up to the logit and the score, in one line."""
    tokens = math.fsum(one.contribution for one in explanation.tokens)
    parts = [f"intercept {explanation.intercept:+.3f}", f"{len(explanation.tokens)} tokens {tokens:+.3f}"]
    if explanation.style:
        style = math.fsum(one.contribution for one in explanation.style)
        parts = [", ".join(parts), f"{len(explanation.style)} features of style {style:+.3f}"]
    reached = "" if score is None else f", which is a score of {score:.3f}"
    said = f"{' and '.join(parts)} make a logit of {explanation.logit:+.3f}{reached}."
    return f'<p class="cm-quiet">{plain(said)}</p>'


def strongest(explanation: Explanation) -> list[tuple[str, float]]:
    """The tokens and features of style that count most, largest first; the same word twice is summed."""
    by_word: dict[str, float] = {}
    for one in explanation.tokens:
        word = one.text.strip() or "(unseen)"
        by_word[word] = by_word.get(word, 0.0) + one.contribution
    for trait in explanation.style:
        by_word[f"style: {trait.name.replace('_', ' ')}"] = trait.contribution
    return sorted(by_word.items(), key=lambda pair: -abs(pair[1]))[:TOP]


def figure_line(measured: Mapping[str, Figure], names: Mapping[str, str]) -> str:
    """Figures at the chosen threshold, side by side."""
    cells = "".join(
        f'<div class="cm-count"><b>{NONE if figure.value is None else f"{figure.value:.3f}"}</b>'
        f"<span>{plain(names[name])}</span><span>{plain(told(figure).partition(' ')[2])}</span></div>"
        for name, figure in measured.items()
    )
    return f'<div class="cm-counts cm-at">{cells}</div>'
