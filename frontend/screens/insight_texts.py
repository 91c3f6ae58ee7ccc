"""The sections of the insight page that show texts: worst errors, why a text has its score, receipts."""

from typing import Final

import streamlit as st

from frontend import evidence, markup, tables
from frontend.client import Analysis, Explanation
from frontend.exceptions import MessageRefusedError, ServiceUnavailableError
from frontend.experiments import Receipt
from frontend.receipts import tamed
from frontend.screens import insight_parts as parts
from frontend.screens.insight_parts import Chosen

KINDS: Final = {
    "false_positives": "kept, and scored highest",
    "false_negatives": "removed, and scored lowest",
}
WITHOUT_TEXTS: Final = (
    "Texts are left out, since they are people's messages. To have them in the report and here, set "
    "CHATMOD_REPORT_TEXTS=1 and train anew; whoever reads MLflow can read them then."
)
EXAMPLE: Final = "you absolute idiot, delete your account"
EXACT: Final = "Red speaks for removal, green against it. The parts add up exactly: there is no interval."
MOST_CHARS: Final = 2_000


def errors(chosen: Chosen) -> None:
    """The worst errors of each kind."""
    found = chosen.experiments.evaluation(chosen.version, "errors.json", evidence.MISTAKES)
    if found is None:
        parts.lacking(chosen, "evaluation/errors.json")
        return
    kind = parts.pick("Kind", KINDS, "insight-errors")
    rows = found.false_negatives if kind == "false_negatives" else found.false_positives
    if not found.texts:
        st.html(markup.banner("info", "Without texts.", WITHOUT_TEXTS))
    st.html(tables.mistakes(rows, texts=found.texts))
    parts.caption(f"{parts.origin(chosen)}. The {len(rows)} worst, worst first.")


def explanation(chosen: Chosen) -> None:
    """What each part of a text that is typed adds to its score, by the model that is served."""
    text = st.text_area("Text", EXAMPLE, max_chars=MOST_CHARS, key="insight-text")
    if not text.strip():
        parts.caption("Write a text to see what makes its score.")
        return
    try:
        answer = chosen.resources.client.explained(text)
    except MessageRefusedError as error:
        st.html(markup.banner("error", "This text cannot be explained.", f"{error}."))
    except ServiceUnavailableError as error:
        st.html(markup.banner("warning", "The service cannot be asked.", f"{error}. Start it."))
    else:
        _explained(text, answer)


def _explained(text: str, answer: Analysis) -> None:
    why = answer.explanation
    if why is None:
        parts.caption("The service gave a score and no explanation: its model cannot be explained.")
        return
    score = answer.scores.get(why.attribute)
    served = markup.version(answer.model_version)
    st.html(tables.coloured(text, why))
    st.html(tables.sum_of(why, score))
    said = f"Answered by the service, which serves {served}: {answer.action}, rule {answer.rule}."
    _contributions(why, f"{said} {EXACT}")


def _contributions(why: Explanation, said: str) -> None:
    from frontend.charts.forest import contributions

    parts.chart(contributions(tables.strongest(why)), said)


def receipts(chosen: Chosen) -> None:
    """What the gate decided about a version, and why."""
    found = chosen.experiments.receipts(chosen.version)
    if not found:
        text = (
            f"The gate has not judged {chosen.version.title}: run .venv/bin/python -m workflow gate "
            f"{chosen.version.number}."
        )
        st.html(markup.banner("info", "No receipt.", text))
        return
    by_id = {one.id: one for one in found}
    number = st.selectbox(
        "Receipt", list(by_id), format_func=lambda one: _titled(by_id[one]), key="insight-receipt"
    )
    receipt = by_id[number]
    forced = receipt.verdict.forced
    if forced:
        text = f"by {forced.by} with {forced.second}, because: {forced.reason}"
        st.html(markup.banner("warning", "Promoted against the gate's verdict", text))
    with st.container(border=True, key="cm-receipt"):
        st.markdown(tamed(receipt.markdown))
    st.download_button(
        "Receipt as JSON",
        receipt.json,
        f"{receipt.id}.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
    )


def _titled(receipt: Receipt) -> str:
    return " · ".join(part for part in (receipt.verdict.verdict, receipt.verdict.at, receipt.id) if part)
