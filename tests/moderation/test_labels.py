"""The journal keeps its promises on SQLite and on PostgreSQL alike."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from moderation.exceptions import LabelsUnavailableError, NoLabelsError, NothingNamedError, ReusedKeyError
from moderation.labels import Journal
from moderation.schema import KEYS, SCHEMA
from moderation.verdicts import Tally
from tests.moderation.labels import TOXICITY, rows, values, verdict

MOMENT = datetime(2026, 11, 21, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
OUT_OF_FIXTURES = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_a_label_is_stored_with_everything_that_is_known_of_it(address: str) -> None:
    journal = Journal(address, now=lambda: MOMENT)
    context = {"context": [{"url": "https://news.example/1", "reply_to": None}], "request": "r1"}
    assert [True] == journal.record(verdict(0.9, provenance=context))
    [row] = rows(journal)
    assert {
        "source": "perspective",
        "community": "Coral:https://news.example",
        "message": "comment:1",
        "text": "you clown",
        "attribute": TOXICITY,
        "value": 0.9,
        "removed": True,
        "languages": ["en"],
        "model_version": "7",
        "policy_version": "0123456789ab",
        "provenance": context,
        "turn": 1,
    }.items() <= row.items()
    [read] = journal.last_verdicts()
    journal.close()
    assert (MOMENT, timedelta(0)) == (read.time, read.time.utcoffset())


@pytest.mark.parametrize(("value", "removed"), [(0, False), (0.4999, False), (0.5, True), (1, True)])
def test_from_one_half_a_verdict_means_removed(journal: Journal, value: float, removed: bool) -> None:  # noqa: FBT001
    assert [removed] == journal.record(verdict(value))
    assert [removed] == [each.removed for each in journal.last_verdicts()]


def test_the_same_verdict_again_is_no_new_row(journal: Journal) -> None:
    assert [[True], [], []] == [journal.record(verdict(1)) for _ in range(3)]
    assert [1.0] == values(journal)


def test_a_later_verdict_adds_a_row_and_one_that_returns_to_the_first_adds_another(journal: Journal) -> None:
    for value in (0, 1, 1, 0):
        journal.record(verdict(value))
    assert [0.0, 1.0, 0.0] == values(journal)
    assert [False] == [each.removed for each in journal.last_verdicts()]


def test_another_source_or_an_edited_text_is_a_verdict_of_its_own(journal: Journal) -> None:
    journal.record(verdict(1))
    journal.record(verdict(1, source="review"))
    journal.record(verdict(1, source="review", text="you clown, edited"))
    assert 3 == len(rows(journal))
    assert ["you clown, edited"] == [each.text for each in journal.last_verdicts()]


def test_a_message_without_a_name_is_known_by_its_text(journal: Journal) -> None:
    journal.record(verdict(0, message="", text="one"))
    journal.record(verdict(1, message="", text="two"))
    journal.record(verdict(1, message="", text="one"))
    journal.record(verdict(0, message="one", text="named as another's text"))
    assert [("two", True), ("one", True), ("named as another's text", False)] == [
        (each.text, each.removed) for each in journal.last_verdicts()
    ]


def test_communities_and_attributes_do_not_mix(journal: Journal) -> None:
    journal.record(verdict(0, attributes={TOXICITY: 1, "SPAM": 0}))
    journal.record(verdict(0, community="elsewhere"))
    found = journal.last_verdicts(community="elsewhere")
    assert [("elsewhere", False)] == [(each.community, each.removed) for each in found]
    assert ["SPAM"] == [each.attribute for each in journal.last_verdicts(attributes=["SPAM"])]
    assert [
        Tally("Coral:https://news.example", "SPAM", rows=1, removed=0, kept=1),
        Tally("Coral:https://news.example", TOXICITY, rows=1, removed=1, kept=0),
        Tally("elsewhere", TOXICITY, rows=1, removed=0, kept=1),
    ] == journal.tallies()


def test_a_tally_counts_every_row_and_each_message_once(journal: Journal) -> None:
    for value, message in ((0, "a"), (1, "a"), (0, "b"), (1, "c")):
        journal.record(verdict(value, message))
    assert [(4, 2, 1)] == [(each.rows, each.removed, each.kept) for each in journal.tallies()]


def test_verdicts_since_a_moment_are_given(address: str) -> None:
    clock = [MOMENT]
    journal = Journal(address, now=lambda: clock[0])
    journal.record(verdict(1, "old"))
    clock[0] = MOMENT + timedelta(days=1)
    journal.record(verdict(1, "new"))
    given_since = {
        name: [each.message for each in journal.last_verdicts(since=since)]
        for name, since in {"first": MOMENT, "second": clock[0], "later": clock[0] + timedelta(1)}.items()
    }
    journal.close()
    assert {"first": ["old", "new"], "second": ["new"], "later": []} == given_since


def test_a_key_that_comes_again_with_the_same_request_changes_nothing(journal: Journal) -> None:
    keyed = verdict(0, key="k1", fingerprint="f1")
    journal.record(keyed)
    journal.record(verdict(1))
    assert [] == journal.record(keyed)
    assert [0.0, 1.0] == values(journal)


def test_a_key_that_comes_again_with_another_request_is_refused(journal: Journal) -> None:
    journal.record(verdict(0, key="k1", fingerprint="f1"))
    with pytest.raises(ReusedKeyError, match="make a new key"):
        journal.record(verdict(1, key="k1", fingerprint="f2"))
    assert [0.0] == values(journal)
    assert [True] == journal.record(verdict(1, key="k2", fingerprint="f2"))


def test_a_key_is_kept_only_together_with_its_labels(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = verdict(0, attributes={"A": 1, "B": 1}, key="k1", fingerprint="f1")
    add = Journal._add

    def fails_at_the_second(self: Journal, connection: object, one: object, attribute: str) -> bool:
        if attribute == "B":
            raise OSError(5, "the disk is gone")
        return add(self, connection, one, attribute)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "_add", fails_at_the_second)
    with pytest.raises(LabelsUnavailableError, match="the disk is gone"):
        journal.record(broken)
    monkeypatch.undo()
    assert [] == values(journal)
    assert [True, True] == journal.record(broken)


@pytest.mark.parametrize("key", ["", "k1"])
def test_the_same_verdict_from_many_at_once_is_one_row(address: str, key: str) -> None:
    journals = [Journal(address), Journal(address)]
    together = threading.Barrier(16)

    def send(number: int) -> list[bool]:
        together.wait()
        return journals[number % 2].record(verdict(1, key=key, fingerprint="f"))

    with ThreadPoolExecutor(16) as workers:
        answers = list(workers.map(send, range(16)))
    assert sorted(answers) == [[]] * 15 + [[True]]
    assert [1.0] == values(journals[0])
    for each in journals:
        each.close()


def test_verdicts_that_contradict_each_other_at_once_stand_in_one_order(address: str) -> None:
    journals = [Journal(address), Journal(address)]
    both = [{"A": 0.0, "B": 1.0}, {"B": 0.0, "A": 1.0}]

    def send(number: int) -> int:
        return len(journals[number % 2].record(verdict(0, attributes=both[number % 3 % 2])))

    with ThreadPoolExecutor(8) as workers:
        stored = sum(workers.map(send, range(60)))
    found = rows(journals[0])
    assert stored == len(found)
    for attribute in "AB":
        own = sorted((row["turn"], row["value"]) for row in found if row["attribute"] == attribute)
        assert [turn for turn, _ in own] == list(range(1, len(own) + 1))
        assert all(one[1] != other[1] for one, other in pairwise(own))
    for each in journals:
        each.close()


SAID = st.tuples(
    st.sampled_from(["", "comment:1", "comment:2"]),
    st.sampled_from(["one", "two", "a\x00b"]),
    st.sampled_from(["", "c"]),
    st.sampled_from(["perspective", "review"]),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.integers(1, 3),
)


@OUT_OF_FIXTURES
@given(said=st.lists(SAID, max_size=12))
def test_whatever_is_said_and_repeated_the_last_verdict_on_each_message_counts(
    journal: Journal, said: list[tuple[str, str, str, str, float, int]]
) -> None:
    for name in ("comment:1", "comment:2"):
        journal.record(verdict(0, name))
        journal.forget(message=name)
    for text in ("one", "two", "ab"):
        journal.record(verdict(0, "", text))
        journal.forget(text=text)
    expected: dict[tuple[str, str], tuple[str, float]] = {}
    for message, text, community, source, value, times in said:
        for _ in range(times):
            journal.record(verdict(value, message, text, community=community, source=source))
        stored = text.replace("\x00", "")
        expected[community, message or f"text {stored}"] = (stored, value)
    found = {
        (each.community, each.message or f"text {each.text}"): (each.text, each.value)
        for each in journal.last_verdicts()
    }
    assert expected == found


@OUT_OF_FIXTURES
@given(text=st.text(st.characters(codec=None), min_size=1, max_size=60))
def test_any_text_is_stored_without_what_no_database_takes(journal: Journal, text: str) -> None:
    journal.record(verdict(1, "only", f"x{text}", provenance={"context": [{text: [text]}]}))
    stored = f"x{text}".replace("\x00", "").encode("utf-8", "replace").decode()
    assert stored == journal.last_verdicts()[-1].text


def test_a_message_is_forgotten_with_all_that_was_ever_said_of_it(journal: Journal, address: str) -> None:
    journal.record(verdict(0, text="secret one", key="k", fingerprint="f"))
    journal.record(verdict(1, text="secret two"))
    journal.record(verdict(1, "comment:2", "of somebody else"))
    assert 2 == journal.forget(text="secret one")
    assert 0 == journal.forget(text="secret one")
    assert ["of somebody else"] == [row["text"] for row in rows(journal)]
    with journal.engine.connect() as connection:
        assert [] == connection.scalars(select(KEYS.c.key)).all()
    if address.startswith("sqlite"):
        place = Path(address.removeprefix("sqlite:///"))
        left = b"".join(each.read_bytes() for each in place.parent.iterdir())
        assert b"somebody" in left
        assert b"secret" not in left


def test_a_message_is_forgotten_by_name_in_one_community_alone(journal: Journal) -> None:
    journal.record(verdict(0))
    journal.record(verdict(0, community="elsewhere"))
    assert 1 == journal.forget(message="comment:1", community="elsewhere")
    assert ["Coral:https://news.example"] == [row["community"] for row in rows(journal)]
    assert 1 == journal.forget(message="comment:1")


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"message": "", "text": ""},
        {"text": "\x00"},
        {"message": "\x00\x00"},
        {"message": "\x00", "text": "one"},
    ],
    ids=str,
)
@pytest.mark.parametrize("community", [None, "Coral:https://news.example"])
def test_whoever_names_no_message_forgets_none(
    journal: Journal, named: dict[str, str], community: str | None
) -> None:
    for message, text in (("comment:1", "one"), ("", "two")):
        journal.record(verdict(1, message, text))
    with pytest.raises(NothingNamedError, match="name the messages that are to be forgotten"):
        journal.forget(**named, community=community)
    assert ["one", "two"] == [row["text"] for row in rows(journal)]


def test_a_journal_that_nobody_has_written_is_no_journal_and_is_not_made(address: str) -> None:
    journal = Journal(address)
    for ask in (journal.last_verdicts, journal.tallies, lambda: journal.forget(text="x")):
        with pytest.raises(NoLabelsError, match="holds no labels yet"):
            ask()
    journal.close()
    if address.startswith("sqlite"):
        assert not Path(address.removeprefix("sqlite:///")).parent.exists()


def test_tables_of_a_later_release_are_left_alone(journal: Journal, address: str) -> None:
    journal.record(verdict(1))
    with journal.engine.begin() as connection:
        connection.execute(update(SCHEMA).values(version=99))
    other = Journal(address)
    with pytest.raises(LabelsUnavailableError, match="schema 99, and this release writes 1"):
        other.record(verdict(0))
    other.close()
    assert [1.0] == values(journal)


def test_the_schema_has_one_version_however_often_it_is_prepared(address: str) -> None:
    for _ in range(2):
        journal = Journal(address)
        journal.record(verdict(1))
        with journal.engine.connect() as connection:
            assert [1] == connection.scalars(select(SCHEMA.c.version)).all()
        journal.close()


def test_the_time_of_a_label_is_now(journal: Journal) -> None:
    journal.record(verdict(1))
    [found] = journal.last_verdicts()
    assert abs(found.time - datetime.now(UTC)) < timedelta(seconds=10)
