"""One request a number: the same seed and number give the same bytes, on any machine."""

import gzip
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from tests.fuzz.heads import CHUNKS, HEADS, HOSTS, LENGTHS, METHODS, PATHS, TYPES, VERSIONS
from tests.fuzz.targets import Target
from tests.fuzz.trees import LARGE, dump, enlarged, mutated, tree

Ends = Literal["keep", "half", "abandon", "stall"]
JSON: Final = "application/json"


@dataclass(frozen=True)
class Case:
    """What is sent, and how: on a kept connection, closed for sending, hung up on, or left half-sent.

    ``owner`` is the operation whose shapes the answer must have, where HTTP itself is as it should be.
    """

    number: int
    kind: str
    wire: bytes
    owner: Target | None = None
    bodiless: bool = False
    ends: Ends = "keep"
    pieces: int = 1


def case(seed: int, number: int, targets: Sequence[Target]) -> Case:
    """The request of this number."""
    dice = random.Random(f"{seed}/{number}")
    asked = [one for one in targets if one.bodies or one.others]
    target = dice.choice(asked if dice.random() < ASKED else targets)
    bare = ("valid", "head", "pipelined", "cut", *(["other"] if target.others else []))
    kinds = [kind for kind in KINDS if target.bodies or kind in bare]
    kind = dice.choices(kinds, [KINDS[one] for one in kinds])[0]
    if kind == "other" and target.others:
        return _other(number, target, dice)
    if kind in ("tree", "bytes", "type", "encoding", "slow", "chunked", "valid", "other"):
        return _framed(kind, number, target, dice)
    return _broken(kind, number, target, dice)


ASKED: Final = 0.9
KINDS: Final = {
    "valid": 10.0,
    "tree": 40.0,
    "bytes": 15.0,
    "type": 5.0,
    "encoding": 2.0,
    "chunked": 5.0,
    "other": 5.0,
    "slow": 0.3,
    "head": 15.0,
    "pipelined": 2.0,
    "cut": 3.0,
    "stall": 0.01,
}


def heavy(seed: int, number: int, targets: Sequence[Target]) -> Case:
    """The request of this number in the warm-up: in turn, every operation with a megabyte of every kind."""
    asked = [one for one in targets if one.bodies]
    target, which = asked[number % len(asked)], number // len(asked) % len(LARGE)
    dice = random.Random(f"{seed}/heavy/{number}")
    body = dump(enlarged(tree(dice.choice(target.bodies)), which, dice))
    lines = {"Host": "t", "Content-Type": JSON, "Content-Length": str(len(body))}
    return Case(-1 - number, "heavy", head(target.method, target.path, lines) + body, target)


def _framed(kind: str, number: int, target: Target, dice: random.Random) -> Case:
    """A request that HTTP can carry, whatever it carries."""
    root = tree(dice.choice(target.bodies)) if target.bodies else None
    body = b"" if root is None else dump(root if kind == "valid" else mutated(root, dice))
    lines = {"Host": "t", "Content-Type": JSON}
    if kind == "bytes":
        body = _garbled(body, dice)
    elif kind == "type":
        lines["Content-Type"] = dice.choice(TYPES)
    elif kind == "encoding":
        lines["Content-Encoding"], body = _encoded(body, dice)
    if kind == "chunked":
        wire = head(target.method, target.path, lines | {"Transfer-Encoding": "chunked"}) + _chunked(
            body, dice
        )
        return Case(number, kind, wire, target)
    wire = head(target.method, target.path, lines | {"Content-Length": str(len(body))}) + body
    return Case(number, kind, wire, target, pieces=dice.randrange(2, 6) if kind == "slow" else 1)


def _other(number: int, target: Target, dice: random.Random) -> Case:
    lines, body = dice.choice(target.others)
    how = dice.random()
    if how < 0.7:
        body = _garbled(body, dice)
    elif how < 0.9:
        lines = {**lines, "Inference-Header-Content-Length": dice.choice(LENGTHS)}
    sent = {"Host": "t", "Content-Length": str(len(body)), **lines}
    return Case(number, "other", head(target.method, target.path, sent) + body, target)


def head(method: str, path: str, lines: dict[str, str], version: str = "HTTP/1.1") -> bytes:
    """A request's head, as it is sent."""
    text = "\r\n".join((f"{method} {path} {version}", *(f"{name}: {value}" for name, value in lines.items())))
    return text.encode("latin-1", "replace") + b"\r\n\r\n"


def _chunked(body: bytes, dice: random.Random) -> bytes:
    size = dice.choice((1, 7, 1_000, 100_000)) if len(body) < 3_000 else 10_000
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


def _garbled(body: bytes, dice: random.Random) -> bytes:
    data = bytearray(body)
    how = dice.randrange(6)
    if how == 0:
        return bytes(data[: dice.randrange(len(data) + 1)])
    if how == 1:
        return body.decode("utf-8", "replace").encode(dice.choice(("utf-16", "utf-32", "utf-16-be", "utf-7")))
    if how == 2:
        return dice.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b" " * 5_000, b"//\n")) + body
    if how == 3:
        place = dice.randrange(len(data) + 1)
        return bytes(data[place:] + data[:place])
    for _ in range(dice.randrange(1, 10)):
        if data:
            data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data) + (dice.randbytes(dice.randrange(50)) if how == 4 else b"")


@cache
def bomb() -> bytes:
    """A hundred megabytes in a hundred kilobytes."""
    return gzip.compress(b'{"text": "' + b"a" * 100_000_000 + b'"}', 9, mtime=0)


def _encoded(body: bytes, dice: random.Random) -> tuple[str, bytes]:
    packed = gzip.compress(body, mtime=0)
    return dice.choice(
        (
            ("gzip", packed),
            ("deflate", zlib.compress(body)),
            ("gzip", packed[: len(packed) // 2]),
            ("gzip", packed + packed),
            ("gzip", body),
            ("gzip, gzip", gzip.compress(packed, mtime=0)),
            ("br", packed),
            ("identity", body),
            ("\u00e9", body),
            ("gzip", bomb() if dice.random() < 0.3 else packed[:10]),
        )
    )


def _broken(kind: str, number: int, target: Target, dice: random.Random) -> Case:
    """A request that HTTP cannot carry, or not to its end."""
    valid = _framed("valid", number, target, dice).wire
    if kind == "pipelined":
        wire = valid * dice.randrange(2, 6) + dice.choice((b"", valid[:-3], b"\r\n", dice.randbytes(20)))
        return Case(number, kind, wire, ends="half")
    if kind == "cut":
        ends: Ends = dice.choice(("half", "abandon"))
        return Case(number, kind, valid[: dice.randrange(len(valid))], ends=ends)
    if kind == "stall":
        return Case(number, kind, valid[: dice.randrange(10, len(valid))], ends="stall")
    if dice.random() < 0.2:
        lines = {"Host": "t", "Content-Type": JSON, "Transfer-Encoding": "chunked"}
        wire = head(target.method, target.path, lines) + dice.choice(CHUNKS)
        return Case(number, kind, wire, ends="half")
    return _other_head(number, target, dice)


def _other_head(number: int, target: Target, dice: random.Random) -> Case:
    body = dump(tree(dice.choice(target.bodies))) if target.bodies else b""
    method = dice.choice(METHODS) if dice.random() < 0.4 else target.method
    path = dice.choice(PATHS) if dice.random() < 0.4 else target.path
    lines = {"Host": dice.choice(HOSTS) if dice.random() < 0.2 else "t", "Content-Length": str(len(body))}
    extra = dice.sample(HEADS, dice.choice((0, 1, 1, 2)))
    if dice.random() < 0.05:
        extra += [f"X-{one}: {'v' * dice.choice((1, 600))}" for one in range(dice.choice((90, 200, 5_000)))]
    top = head(method, path, lines, dice.choice(VERSIONS))[:-2]
    more = "".join(f"{one}\r\n" for one in extra).encode("latin-1", "replace")
    wire = top + more + b"\r\n" + body
    if dice.random() < 0.05:
        wire = wire.replace(b"\r\n", dice.choice((b"\n", b"\r", b"\r\n\r\n")))
    return Case(number, "head", wire, bodiless=method == "HEAD", ends="half")
