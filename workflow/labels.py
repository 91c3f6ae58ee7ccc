"""The journal of labels for people: export it for training, count it, forget a message. Trains nothing."""

import argparse
import csv
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from moderation.exceptions import ModerationError
from moderation.verdicts import Verdict, storable
from workflow.exceptions import LabelsError
from workflow.settings import Settings

if TYPE_CHECKING:
    from moderation.labels import Journal

FEW: Final = 100
EXTRA: Final = ("community", "attributes", "time")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One message of an export."""

    text: str
    removed: bool
    community: str
    attributes: tuple[str, ...]
    time: datetime


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its parts to the command line."""
    labels = commands.add_parser("labels", help="export, count or forget what moderators have said")
    parts = labels.add_subparsers(dest="part", required=True)
    export_ = parts.add_parser("export", help="write the last verdict on each message as a CSV file")
    export_.add_argument("--out", type=Path, help="the file (CHATMOD_HOME/labels.csv)")
    export_.add_argument("--community", help="labels of this community alone")
    export_.add_argument("--attribute", nargs="+", default=[], metavar="NAME", help="labels of these alone")
    export_.add_argument("--since", type=_day, metavar="DATE", help="verdicts from this day (UTC) on")
    parts.add_parser("count", help="say how many labels there are, by community and attribute")
    forget_ = parts.add_parser("forget", help="delete a message, whoever labelled it, from the journal")
    which = forget_.add_mutually_exclusive_group(required=True)
    which.add_argument("--message-id", metavar="ID", help="the client's name for it (clientToken)")
    which.add_argument("--text", help="the whole text, or - to read it from standard input")
    forget_.add_argument("--community", help="in this community alone")
    parts.metavar = f"{{{','.join(parts.choices)}}}"  # or a missing one is called by its dest


def run(chosen: argparse.Namespace, settings: Settings, say: Say, standard_input: IO[str]) -> int:
    """Do what was typed after ``labels``.

    Raises:
        LabelsError: the journal cannot be used or holds nothing of what was asked for.

    """
    with _journal(settings) as journal:
        if chosen.part == "export":
            export(
                journal,
                settings,
                chosen.out or settings.home / "labels.csv",
                say,
                community=chosen.community,
                attributes=chosen.attribute,
                since=chosen.since,
            )
        elif chosen.part == "count":
            count(journal, say)
        else:
            text = standard_input.read().rstrip("\n") if chosen.text == "-" else chosen.text
            forget(journal, say, message=chosen.message_id, text=text, community=chosen.community)
    return 0


def export(
    journal: "Journal",
    settings: Settings,
    out: Path,
    say: Say,
    *,
    community: str | None = None,
    attributes: Sequence[str] = (),
    since: datetime | None = None,
) -> None:
    """Write the last verdict on each message to a file, whole or not at all, and say what is in it.

    Raises:
        LabelsError: there is none, it is not said under which attributes, or the file cannot be written.

    """
    chosen = [each for each in journal.tallies() if community in (None, each.community)]
    names = attributes or _only(sorted({each.attribute for each in chosen}))
    verdicts = journal.last_verdicts(attributes=names, community=community, since=since)
    if not verdicts:
        raise LabelsError(f"{journal.place} holds no label of what was asked for: leave a filter out")
    rows = _rows(verdicts)
    _write(out, rows, settings.text_column or "text", settings.label_column or "removed")
    removed = sum(row.removed for row in rows)
    read = sum(each.rows for each in chosen if each.attribute in names)
    say(f"{out}: {_counted(len(rows), 'message')}, {removed:,} removed and {len(rows) - removed:,} kept")
    say(f"  of {_counted(read, 'label')} under {', '.join(names)}; {_left_out(read, verdicts, since)}")
    for name in sorted({row.community for row in rows}):
        own = [row.removed for row in rows if row.community == name]
        say(f"  community {name or '(none)'}: {sum(own):,} removed and {len(own) - sum(own):,} kept")
    say(_next(out, removed, len(rows) - removed))


def count(journal: "Journal", say: Say) -> None:
    """Say how many labels there are."""
    tallies = journal.tallies()
    say(f"{journal.place}: {_counted(sum(each.rows for each in tallies), 'label')}")
    for each in tallies:
        say(
            f"  community {each.community or '(none)'}, {each.attribute}: {_counted(each.rows, 'label')}; "
            f"of {_counted(each.removed + each.kept, 'message')} "
            f"{each.removed:,} removed and {each.kept:,} kept"
        )


def forget(
    journal: "Journal", say: Say, *, message: str | None, text: str | None, community: str | None
) -> None:
    """Delete a message from the journal.

    Raises:
        LabelsError: it is not there, or nothing says which one is meant.

    """
    _check_named("--message-id", message, "give the client's name for the message (clientToken)")
    _check_named("--text", text, "give the whole text, or - and the text on standard input")
    gone = journal.forget(message=message or "", text=text or "", community=community)
    if not gone:
        named = f"--message-id {message!r}" if message else "this text"
        raise LabelsError(f"{named}: no label in {journal.place}: look at how the client wrote it")
    say(
        f"{_counted(gone, 'label')} deleted; delete the text from files that were exported before, "
        "and export again"
    )


def _check_named(option: str, value: str | None, remedy: str) -> None:
    # a variable that is not set and a file that is empty name no message, and not all of them either
    if value is not None and not storable(value):
        raise LabelsError(f"{option} {value!r} names no message, and nothing was deleted: {remedy}")


@contextmanager
def _journal(settings: Settings) -> "Iterator[Journal]":
    # SQLAlchemy takes its time, and other commands do without
    from moderation.labels import Journal

    journal = Journal(settings.labels_address, bounded=False)
    try:
        yield journal
    except ModerationError as error:
        raise LabelsError(str(error)) from error
    finally:
        journal.close()


def _only(names: Sequence[str]) -> Sequence[str]:
    if len(names) > 1:
        raise LabelsError(
            f"the labels are of {', '.join(names)}: say with --attribute which of them mean that a message "
            "was removed; with several, one is enough"
        )
    return names


def _rows(verdicts: Sequence[Verdict]) -> list[Row]:
    """A row a message: its newest text, removed where one of the attributes says so."""
    rows: dict[str, Row] = {}
    for each in verdicts:
        before = rows.get(each.identity)
        rows[each.identity] = Row(
            each.text,
            each.removed or (before is not None and before.removed),
            each.community,
            (*(before.attributes if before else ()), each.attribute),
            each.time,
        )
    return list(rows.values())


def _write(out: Path, rows: Sequence[Row], text_column: str, label_column: str) -> None:
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    extra = [name for name in EXTRA if name not in (text_column, label_column)]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow([text_column, label_column, *extra])
            for row in rows:
                also = {
                    "community": row.community,
                    "attributes": " ".join(row.attributes),
                    "time": row.time.isoformat(timespec="seconds"),
                }
                writer.writerow([row.text, int(row.removed), *(also[name] for name in extra)])
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise LabelsError(f"--out {str(out)!r}: {error.strerror}: name a file that can be written") from error
    finally:
        part.unlink(missing_ok=True)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _left_out(read: int, verdicts: Sequence[Verdict], since: datetime | None) -> str:
    if since is None:
        return f"{read - len(verdicts):,} superseded by a later one"
    return f"{read - len(verdicts):,} superseded by a later one, or from before {since:%Y-%m-%d}"


def _next(out: Path, removed: int, kept: int) -> str:
    if min(removed, kept) < FEW:
        return (
            f"next: bring at least a few hundred of each label, or add {out.name} to a folder with others; "
            "docs/labels.md says how"
        )
    return f"next: CHATMOD_DATA={shlex.quote(str(out))} make run"


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: give one such as 2026-11-21") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
