"""The page's own HTML, as text: every value from outside is escaped here. Knows no Streamlit.

Streamlit dedents and strips the HTML it is given, and reads messages as Markdown elsewhere: so a
message reaches the page only through `bubble`, on one line, with its line breaks as references.
"""

import re
from html import escape
from typing import Final, Literal

from frontend.client import DataInfo, Readiness
from frontend.messages import Counts, Decision
from frontend.view import View

Tone = Literal["info", "warning", "error"]
COOKIE_VALUE: Final = re.compile(r"[A-Za-z0-9_.~%-]+")
BREAKS: Final = {"\n": "&#10;", "\t": "&#9;"}


def plain(text: str) -> str:
    """Text from outside as HTML that shows exactly it: no tag, no link, no line of its own."""
    shown = escape(text, quote=True)
    for char, reference in BREAKS.items():
        shown = shown.replace(char, reference)
    return shown


def bubble(view: View, *, follows: bool = False) -> str:
    """One message; `follows` where the one above is by the same author."""
    side = "mine" if view.mine else "theirs"
    initials = "".join(word[0] for word in view.author.split()[:2])
    head = f'<b class="cm-who">{plain(view.author)}</b><time class="cm-time">{plain(view.time)}</time>'
    return (
        f'<article class="cm-msg cm-{side} cm-{view.look}{" cm-follows" if follows else ""}" '
        f'style="--cm-hue:{view.hue}"><span class="cm-face" aria-hidden="true">{plain(initials)}</span>'
        f'<div class="cm-stack"><div class="cm-head">{head}</div>{_content(view)}</div></article>'
    )


def _content(view: View) -> str:
    body = "" if view.body is None else f'<div class="cm-body" dir="auto">{plain(view.body)}</div>'
    if view.decision is not None:
        return f'<div class="cm-bubble">{_verdict(view.note, view.decision)}{body}</div>'
    note = f'<div class="cm-note">{plain(view.note)}</div>' if view.note else ""
    return f'<div class="cm-bubble">{body}</div>{note}'


def _verdict(note: str, decision: Decision) -> str:
    percent = round(100 * decision.score)
    return (
        f'<div class="cm-verdict"><span class="cm-why">{plain(note)}</span>'
        f'<span class="cm-figures"><span class="cm-meter"><i style="width:{percent}%"></i></span>'
        f"<span>score {decision.score:.2f}</span><span>rule <code>{plain(decision.rule)}</code></span>"
        "</span></div>"
    )


def banner(tone: Tone, title: str, text: str) -> str:
    """A line across the page that nobody should miss."""
    said = f"<b>{plain(title)}</b> <span>{plain(text)}</span>"
    return f'<div class="cm-banner cm-{tone}" role="status">{said}</div>'


def cookie(name: str, value: str) -> str:
    """A script that sets a cookie for a year; `value` in the characters that `quote` leaves."""
    if not COOKIE_VALUE.fullmatch(value):
        raise ValueError(f"cookie {name}={value!r} cannot stand in a script: quote it first")
    attributes = "path=/; max-age=31536000; SameSite=Strict"
    return f'<script>document.cookie = "{name}={value}; {attributes}";</script>'


def heading(title: str, text: str) -> str:
    """The line at the top of a page."""
    return f'<div class="cm-heading"><h1>{plain(title)}</h1><p>{plain(text)}</p></div>'


def empty() -> str:
    """What a room without messages shows."""
    return '<div class="cm-empty"><b>Nothing here yet</b><br>Say hello: everybody in this room sees it.</div>'


def counts(numbers: Counts) -> str:
    """The room in figures; kinds that are rare are shown only where there are some."""
    shown = [
        ("messages", numbers.messages, "all"),
        ("allowed", numbers.allowed, "allow"),
        ("flagged", numbers.flagged, "flag"),
        ("removed", numbers.removed, "remove"),
        ("held", numbers.held, "hold"),
    ]
    if numbers.unmoderated:
        shown.append(("unmoderated", numbers.unmoderated, "open"))
    if numbers.refused:
        shown.append(("not accepted", numbers.refused, "open"))
    cells = "".join(
        f'<div class="cm-count cm-count-{kind}"><b>{number:,}</b><span>{name}</span></div>'
        for name, number, kind in shown
    )
    return f'<div class="cm-counts">{cells}</div>'


def service(readiness: Readiness | None, *, available: bool) -> str:
    """Which model moderates the room, and on what it was trained; while it is away, the last one known."""
    state = ("up", "service ready") if available else ("down", "service unavailable")
    rows = [f'<p class="cm-state cm-{state[0]}">{state[1]}</p>']
    if readiness and readiness.model:
        rows.append(_fact("model", f"{readiness.model.name} {version(readiness.model.version)}"))
    if readiness and readiness.policy:
        rows.append(_fact("policy", readiness.policy.version))
    if readiness and readiness.data:
        rows.append(_fact("data", f"{readiness.data.name} ({_source(readiness.data)})"))
        rows.append(_fact("rows", f"{readiness.data.rows:,}"))
    return f'<div class="cm-facts">{"".join(rows)}</div>'


def _source(data: DataInfo) -> str:
    return "this project's own sample" if data.is_sample else data.source


def version(text: str) -> str:
    """A model version as people read it."""
    return f"v{text}" if text.isdigit() else text


def _fact(name: str, value: str) -> str:
    return f"<p><span>{name}</span><b>{plain(value)}</b></p>"


def actions(readiness: Readiness | None) -> str:
    """Which actions this model may take, from which score, and why one is off."""
    policy = readiness.policy if readiness else None
    if policy is None:
        return '<p class="cm-quiet">Not known until the service has answered once.</p>'
    cards = []
    for attribute, by_action in policy.attributes.items():
        for action, info in sorted(by_action.items()):
            if info.reachable and info.threshold is not None:
                state, text = "on", f"from score {info.threshold:.2f}{_measured(info.precision, info.recall)}"
            else:
                state, text = "off", f"This model never uses it: {info.reason or 'no reason was given'}."
            cards.append(
                f'<div class="cm-action cm-{state}" title="{plain(attribute)}"><b>{plain(action)}</b>'
                f'<span class="cm-badge">{state}</span><p>{plain(text)}</p></div>'
            )
    return f'<div class="cm-actions">{"".join(cards)}</div>'


def _measured(precision: float | None, recall: float | None) -> str:
    shown = [
        f"{name} {value:.2f}"
        for name, value in (("precision", precision), ("recall", recall))
        if value is not None
    ]
    return "".join(f" · {text}" for text in shown)


def origin(readiness: Readiness | None) -> str:
    """The model's and its data's particulars, in full."""
    if readiness is None or readiness.model is None:
        return '<p class="cm-quiet">Not known until the service has answered once.</p>'
    model = readiness.model
    facts = [
        ("model", model.name),
        ("version", version(model.version)),
        ("kind", model.kind),
        ("loaded from", model.source),
        ("bundle digest", model.digest),
    ]
    if readiness.policy:
        facts.append(("policy", readiness.policy.version))
    if readiness.data:
        facts += [("comments", readiness.data.name), ("came from", _source(readiness.data))]
        facts += [("rows", f"{readiness.data.rows:,}")]
    return f'<div class="cm-facts cm-wide">{"".join(_fact(name, value) for name, value in facts)}</div>'
