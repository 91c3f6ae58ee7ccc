"""`python -m prediction_service keys`: add, list, rotate and revoke API keys. Shows a secret once."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from prediction_service import keyfile, settings
from prediction_service.exceptions import KeysError
from prediction_service.keys import SCOPES, Key, issue, revoke, rotate

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
GRACE: Final = timedelta(hours=24)
COLUMNS: Final = ("ID", "STATE", "NAME", "SCOPES", "LIMIT", "CREATED", "EXPIRES", "SECRETS")
ABOUT: Final = (
    f"Make, list, rotate and revoke the API keys in the file that {settings.PREFIX}KEYS names. With that "
    "set, `make serve` asks every client for one. docs/keys.md says more."
)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `keys` and what it can do to the command line."""
    parser = commands.add_parser("keys", help="make, list, rotate and revoke API keys", description=ABOUT)
    actions = parser.add_subparsers(required=True)
    one = actions.add_parser("add", help="make a key and print its secret, once")
    one.add_argument("--name", required=True, help="whose it is")
    one.add_argument(
        "--scope", required=True, nargs="+", action="extend", choices=SCOPES, help="what it opens"
    )
    one.add_argument("--limit", type=_limit, help="its own limit, such as 100/minute")
    one.add_argument("--expires", type=_life, help="how long it lives, such as 90d")
    one.set_defaults(run=_add)
    actions.add_parser("list", help="every key, without secrets").set_defaults(run=_list)
    one = actions.add_parser("rotate", help="give a key a new secret and print it, once")
    one.add_argument("id")
    one.add_argument("--grace", type=_duration, default=GRACE, help="how long the old one stays valid (24h)")
    one.set_defaults(run=_rotate)
    one = actions.add_parser("revoke", help="end a key")
    one.add_argument("id")
    one.set_defaults(run=_revoke)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number and s, m, h or d, such as 90d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _life(text: str) -> timedelta:
    if not (life := _duration(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: a key that has ended already is none: give more than 0")
    return life


def _limit(text: str) -> str:
    if not re.fullmatch(settings.RATE_LIMIT, text):
        raise argparse.ArgumentTypeError(f"{text!r}: give NUMBER/second, /minute, /hour or /day")
    return text


def _add(chosen: argparse.Namespace) -> int:
    now = _now()
    try:
        key, secret = issue(chosen.name, chosen.scope, now, chosen.limit, chosen.expires)
    except ValueError as error:
        raise KeysError(f"--name={chosen.name!r}: give 1 to 100 characters") from error
    keyfile.change(settings.keys_file(), lambda keys: ([*keys, key], None))
    _tell(secret, f"key {key.id} for {key.name}: this is the only time that its secret is shown")
    return 0


def _list(_chosen: argparse.Namespace) -> int:
    now = _now()
    rows = [COLUMNS, *(_row(key, now) for key in keyfile.read(settings.keys_file()))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")
    return 0


def _row(key: Key, now: datetime) -> tuple[str, ...]:
    return (
        key.id,
        key.state(now),
        key.name,
        ",".join(key.scopes),
        key.limit or "-",
        _day(key.created),
        _day(key.expires),
        str(sum(one.until is None or one.until > now for one in key.secrets)),
    )


def _rotate(chosen: argparse.Namespace) -> int:
    now = _now()

    def renew(key: Key) -> tuple[Key, str]:
        if key.state(now) != "valid":
            raise KeysError(f"key {key.id} is {key.state(now)}: add a new one")
        return rotate(key, now, chosen.grace)

    secret = keyfile.change(settings.keys_file(), _on(chosen.id, renew))
    _tell(secret, f"key {chosen.id}: the old secret is valid until {now + chosen.grace:%Y-%m-%d %H:%M} UTC")
    return 0


def _revoke(chosen: argparse.Namespace) -> int:
    keyfile.change(settings.keys_file(), _on(chosen.id, lambda key: (revoke(key, _now()), None)))
    sys.stderr.write(f"key {chosen.id} is revoked; running services know within a second\n")
    return 0


def _on(
    identifier: str, edit: Callable[[Key], tuple[Key, Any]]
) -> Callable[[list[Key]], tuple[list[Key], Any]]:
    """The same edit for the list: one key is changed, the others stay."""

    def within(keys: list[Key]) -> tuple[list[Key], Any]:
        place = next((at for at, key in enumerate(keys) if key.id == identifier), None)
        if place is None:
            raise KeysError(f"{identifier!r} is no key's id: {_known(keys)}")
        changed, result = edit(keys[place])
        return [*keys[:place], changed, *keys[place + 1 :]], result

    return within


def _known(keys: Iterable[Key]) -> str:
    ids = ", ".join(key.id for key in keys)
    return f"name one of {ids}" if ids else "there are no keys yet"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d") if moment else "-"


def _tell(secret: str, remark: str) -> None:
    """The secret alone on standard output, so that a script can take it."""
    sys.stderr.write(f"{remark}\n")
    sys.stdout.write(f"{secret}\n")
