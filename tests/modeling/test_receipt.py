"""A receipt says all, can be read back, and shows when it was altered or forced."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from modeling.exceptions import GateError
from modeling.gate import Receipt, force, receipt_from_json
from tests.evidence import pair, receipt

REMOVED = int(pair()[0].labels.sum())


@pytest.fixture(scope="module")
def refused() -> Receipt:
    candidate, champion = pair(candidate=1.5)
    return receipt(replace(candidate, cpu_ms=80.0), champion)


def test_a_receipt_is_read_back_as_it_was(refused: Receipt) -> None:
    assert refused == receipt_from_json(refused.to_json(), refused.id)
    assert refused == receipt_from_json(refused.to_json(), refused.sha256)


def test_its_id_is_the_beginning_of_its_contents_sha256(refused: Receipt) -> None:
    digest = hashlib.sha256(refused.to_json().encode()).hexdigest()
    assert (digest, digest[:16]) == (refused.sha256, refused.id)


def test_the_same_evidence_gives_the_same_receipt(refused: Receipt) -> None:
    candidate, champion = pair(candidate=1.5)
    assert refused.id == receipt(replace(candidate, cpu_ms=80.0), champion).id


def test_json_is_canonical_and_holds_no_nan(refused: Receipt) -> None:
    plain = json.loads(refused.to_json(), parse_constant=pytest.fail)
    assert sorted(plain) == list(plain)
    assert {"rows": 1_400, "removed": REMOVED, "part": "test"}.items() <= plain["data"].items()
    assert 50.0 == plain["limits"]["cost"]["cpu_ms"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"verdict": "refuse"', '"verdict": "promote"'),
        ('"who": "Ada"', '"who": "Eve"'),
        ('"rows": 1400', '"rows": 9400'),
    ],
)
def test_an_altered_receipt_is_refused(refused: Receipt, old: str, new: str) -> None:
    text = refused.to_json()
    assert old in text
    with pytest.raises(GateError, match=f"receipt '{refused.id}' has the content of [0-9a-f]{{16}}: it was"):
        receipt_from_json(text.replace(old, new), refused.id)


@pytest.mark.parametrize("short", ["", "0", "e3b0c44298fc1c1"])
def test_less_than_an_id_proves_nothing(short: str) -> None:
    with pytest.raises(GateError, match="it was altered"):
        receipt_from_json("", short)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: {**plain, "verdict": "perhaps"},
        lambda plain: {**plain, "more": 1},
        lambda plain: {name: plain[name] for name in plain if name != "rules"},
        lambda plain: {**plain, "rules": [{"name": "x"}]},
        lambda plain: [plain],
    ],
)
def test_what_no_gate_wrote_is_refused_also_under_its_own_id(refused: Receipt, spoil: Any) -> None:
    text = json.dumps(spoil(json.loads(refused.to_json())), indent=2, sort_keys=True) + "\n"
    with pytest.raises(GateError, match=r"cannot be read|is not as a gate writes it"):
        receipt_from_json(text, hashlib.sha256(text.encode()).hexdigest())


def test_the_same_content_written_otherwise_is_refused(refused: Receipt) -> None:
    text = json.dumps(json.loads(refused.to_json()))
    with pytest.raises(GateError, match="is not as a gate writes it"):
        receipt_from_json(text, hashlib.sha256(text.encode()).hexdigest())


def test_a_forced_promotion_keeps_what_was_refused_and_says_who_and_why(refused: Receipt) -> None:
    forced = force(refused, reason="the champion leaks  names", by="Ada", second="Grace")
    assert "promote" == forced.verdict
    assert 0 == forced.exit_code
    assert refused.rules == forced.rules
    assert refused.reason == forced.reason
    expected = {"reason": "the champion leaks names", "by": "Ada", "second": "Grace", "verdict": "refuse"}
    assert expected == forced.forced
    assert refused.id != forced.id
    assert forced == receipt_from_json(forced.to_json(), forced.id)
    page = forced.to_markdown()
    assert page.startswith("# FORCED PROMOTION: version 3 replaces version 2\n")
    assert 2 == page.count("**FORCED against the gate's verdict (refuse)** by Ada, seconded by Grace.")
    assert "**violated**" in page


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"reason": ""}, "reason='': a forced promotion needs a reason and two names, say why"),
        ({"reason": " \n"}, "reason='': "),
        ({"second": ""}, "second='': a forced promotion needs a reason and two names, name a person"),
        ({"by": " "}, "by='': "),
        ({"second": "Ada"}, "second='Ada' is the same name as by='Ada'"),
        ({"second": " aDA "}, "second='aDA' is the same name"),
    ],
)
def test_force_without_a_reason_or_a_second_name_is_an_error(
    refused: Receipt, said: dict[str, str], message: str
) -> None:
    with pytest.raises(GateError, match=message):
        force(refused, **{"reason": "why", "by": "Ada", "second": "Grace", **said})


def test_nothing_is_forced_that_was_promoted(refused: Receipt) -> None:
    forced = force(refused, reason="why", by="Ada", second="Grace")
    with pytest.raises(GateError, match="version 3 was forced already: there is nothing to force"):
        force(forced, reason="why", by="Ada", second="Grace")
    with pytest.raises(GateError, match="version 3 is promoted by the gate itself"):
        force(receipt(*pair(candidate=1.5)), reason="why", by="Ada", second="Grace")


def test_the_page_tells_verdict_reason_rules_data_and_names(refused: Receipt) -> None:
    page = refused.to_markdown()
    head, reason = page.split("\n\n")[:2]
    assert "# Refuse: version 2 stays champion, version 3 is not promoted" == head
    assert "Violated: CPU milliseconds a message: 80, over the budget." == reason
    assert "| CPU milliseconds a message | 80 |  | 50 | **violated** | over the budget |" in page
    data = f"- Data: reddit\\_test.csv, test part, 1,400 rows, {REMOVED} removed, sha256 `{'0' * 64}`"
    assert data in page
    assert f"- Judged for Ada at 2026-11-21T10:00:00+00:00; receipt {refused.id}" in page
    assert len(refused.rules) == page.count("\n| ") - 2


def test_the_pages_of_other_verdicts_say_what_happens() -> None:
    candidate, champion = pair(candidate=1.5)
    assert receipt(candidate, champion).to_markdown().startswith("# Promote: version 3 replaces version 2\n")
    first = receipt(candidate, None).to_markdown()
    assert first.startswith("# Promote: version 3 becomes the first champion\n")
    same = receipt(candidate, replace(candidate, name="version 2")).to_markdown()
    assert same.startswith("# Inconclusive: version 2 stays champion, version 3 is not promoted\n")
    none = receipt(replace(candidate, cpu_ms=99.0), None).to_markdown()
    assert none.startswith("# Refuse: there is still no champion, version 3 is not promoted\n")


def test_texts_from_outside_draw_no_table_link_or_mark() -> None:
    candidate, champion = pair(candidate=1.5)
    nasty = "x | y](http://evil)\n# <b>*loud*</b> `code`"
    page = receipt(replace(candidate, name=nasty), champion, name=nasty).to_markdown()
    assert 0 == page.replace("\\](", "").count("](")
    assert 1 == sum(line.startswith("#") for line in page.splitlines())
    assert "<b>" not in page.replace("\\<", "")
