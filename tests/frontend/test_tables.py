"""Tables and token colours: what they show, and that nothing from outside is more than text."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend import evidence, tables
from frontend.client import Explanation
from frontend.experiments import Row
from frontend.registry import Version
from tests.frontend.registries import evaluation, passport
from tests.frontend.servers import StandIn
from tests.frontend.test_markup import HOSTILE

PASSPORT = evidence.PASSPORT.validate_python(passport())
COST = evidence.COST.validate_python(evaluation()["cost.json"])


def seen(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", markup))


def explained(text: str) -> Explanation:
    return Explanation.model_validate(StandIn.analysis(text)["explanation"])


def test_a_version_shows_its_figures_with_intervals_its_data_verdict_and_cost() -> None:
    version = Version(3, "run3", ("champion",), {"verdict": "promote", "forced": "dana"})
    shown = " ".join(seen(tables.versions([Row(version, PASSPORT, COST)])).split())
    assert "3 champion hashed_linear hashed-linear removals.csv test part, n = 1,111, 359 removed" in shown
    assert "0.800 0.780 to 0.820 0.630 0.610 to 0.650 0.170 0.150 to 0.190 0.030 0.010 to 0.050" in shown
    assert "promote forced 0.21 / 0.40 p50 / p99, 500 messages, some processor, 2 cores 8.4 MB" in shown
    assert "sample" not in shown


def test_the_sample_is_marked_and_what_is_unknown_is_none() -> None:
    sample = evidence.PASSPORT.validate_python(passport(sample=True) | {"metrics": {}})
    markup = tables.versions([Row(Version(1, ""), sample, None)])
    assert '<span class="cm-chip cm-sample">sample</span>' in markup
    assert 6 == markup.count("<td>none</td>")
    assert "not judged" in markup


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_are_text(text: str) -> None:
    hostile = passport()
    hostile["candidate"] = hostile["data"]["name"] = hostile["split"]["id"] = text
    row = Row(Version(1, "", (text,), {"verdict": text}), evidence.PASSPORT.validate_python(hostile), COST)
    mistake = evidence.Mistake(key=text, row=1, score=0.5, label=1, words=1, text=text)
    group = evidence.AuditGroup(name=text, verdict=text, reason=text, title=text)
    shown = [
        tables.versions([row, Row(Version(2, ""), None, None, text)]),
        tables.mistakes([mistake], texts=True),
        tables.audit([group]),
        tables.coloured(f"a{text} b", explained(f"a{text} b")),
    ]
    allowed = {"div", "table", "thead", "tbody", "tr", "th", "td", "span", "small", "b", "code"}
    for markup in shown:
        assert set(re.findall(r"</?([a-zA-Z0-9]+)", markup)) <= allowed
        assert "\n" not in markup


@given(st.text())
def test_the_coloured_text_is_the_text(text: str) -> None:
    if not re.search(r"\S", text):
        return
    markup = tables.coloured(text, explained_units(text))
    assert text.encode("utf-16", "replace") == html.unescape(re.sub(r"<[^>]*>", "", markup)).encode(
        "utf-16", "replace"
    )


def explained_units(text: str) -> Explanation:
    """As `explained`, with places in UTF-16 code units, as the wire has them."""

    def unit(place: int) -> int:
        return len(text[:place].encode("utf-16-le", "surrogatepass")) // 2

    why = StandIn.analysis(text)["explanation"]
    for token in why["tokens"]:
        token["begin"], token["end"] = unit(token["begin"]), unit(token["end"])
        token["text"] = "x"
    return Explanation.model_validate(why | {"sentences": []})


def test_tokens_are_coloured_by_side_and_weight_and_add_up() -> None:
    why = explained("you  idiot")
    markup = tables.coloured("you  idiot", why)
    assert '<span class="cm-token cm-more" style="--cm-weight:1.00" title="+0.500">you</span>  ' in markup
    assert '<span class="cm-token cm-less" style="--cm-weight:0.50" title="-0.250">idiot</span>' in markup
    assert "intercept -1.000 and 2 tokens +0.250 make a logit of -0.750, which is a score of 0.321." in seen(
        tables.sum_of(why, 0.3208)
    )
    assert [("you", 0.5), ("idiot", -0.25)] == tables.strongest(why)
    assert [("so", 1.5), ("x", -0.25)] == tables.strongest(explained("so so so x"))


def test_style_counts_beside_the_tokens() -> None:
    style = [("share_of_capitals", -0.75), ("links", 0.1)]
    said = StandIn.analysis("you idiot")["explanation"]
    said["style"] = [{"name": name, "contribution": value} for name, value in style]
    why = Explanation.model_validate(said)
    assert "2 tokens +0.250 and 2 features of style -0.650 make a logit" in seen(tables.sum_of(why, None))
    assert ("style: share of capitals", -0.75) == tables.strongest(why)[0]


def test_errors_without_texts_have_no_column_for_them() -> None:
    found = evidence.MISTAKES.validate_python(evaluation(texts=True)["errors.json"])
    assert "&lt;b&gt;message&lt;/b&gt; number 1" in tables.mistakes(found.false_positives, texts=True)
    without = tables.mistakes(found.false_positives, texts=False)
    assert "message" not in without
    assert ">text<" not in without
