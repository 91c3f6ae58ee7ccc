"""One request a number: the same seed and number give the same bytes, on any machine."""

import gzip
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from tests.fuzz.targets import Target
from tests.fuzz.trees import dump, mutated, tree

Ends = Literal["keep", "half", "abandon", "stall"]
JSON: Final = "application/json"
TYPES: Final = (
    *("application/json; charset=utf-8", "application/json;charset=utf-16", "APPLICATION/JSON", "text/plain"),
    *("application/json; charset=\u00ff", 'application/json; charset="', "application/json;" + ";" * 4_000),
    *(
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "*/*",
    ),
    *("", "json", "application/json, text/plain", "text/html", "application/octet-stream", "a" * 4_000),
    *("application/json; a*0=x; a*1=y; a*=utf-8''%ff", "application/json; " + 'a="\\' * 1_000),
)
METHODS: Final = (
    *(
        "GET",
        "POST",
        "HEAD",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "BREW",
        "A" * 20,
        "A" * 21,
    ),
    *("post", "GE T", "", "G\u00cbT", "PRI", "M-SEARCH", "POST\0"),
)
PATHS: Final = (
    *(
        "*",
        "",
        "/",
        "//",
        "//predict",
        "/predict/",
        "/predict?" + "a&" * 1_500,
        "/%",
        "/%zz",
        "/%ff%fe",
        "/\xff",
    ),
    *(
        "http://t/predict",
        "http://t",
        "https://[::1",
        "http://t:99999/analyze",
        "t:80",
        "/../etc/passwd",
        "/a#b",
    ),
    *(
        "/" + "a" * 3_000,
        "/" + "a" * 9_000,
        "/v1alpha1/comments%3Aanalyze",
        "/v1alpha1/",
        "/v1/",
        "/$discovery/",
    ),
    *(
        "/$discovery/rest?version=%ff",
        "/$discovery/rest?version=v9",
        "/predict;x",
        "/\\",
        "/\t",
        "/ /",
        "/%00",
    ),
    *(
        "/v2/models/none/infer",
        "/v2/models/%2e%2e/infer",
        "/v1/models/" + "m" * 2_000,
        "/?key=" + "%f0" * 1_000,
    ),
)
HOSTS: Final = (
    "",
    "t",
    "a b",
    "a..b",
    "\xff",
    "[::1",
    "a:b:c",
    "x" * 3_000,
    "a/b",
    "%",
    "t, t",
    "\u00e9.example",
)
HEADS: Final = (
    *("Expect: 100-continue", "Expect: 200-ok", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip"),
    *("Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: bogus"),
    *(
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: \x0bchunked",
        "Content-Length: 5",
        "Content-Length: -1",
    ),
    *("Content-Length: +5", "Content-Length: 5, 5", "Content-Length: \u00b2", "Content-Length: " + "9" * 30),
    *(
        "Content-Length: " + "9" * 5_000,
        "Content-Length: 0x5",
        "Content-Length:",
        "SCRIPT_NAME: /x",
        "X_Y: 1",
    ),
    *(
        "SCRIPT_NAME: /predict",
        "PATH_INFO: /x",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: x\r\nX-Forwarded-SSL: on",
    ),
    *("Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk", "Upgrade: websocket", " folded: x"),
    *(
        "A: b\r\n c",
        "no colon",
        ": empty",
        "A\0: b",
        "A: \0",
        "A: \r b",
        "A: " + "b" * 8_000,
        "A: " + "b" * 65_536,
    ),
    *(
        "\u00e9: x",
        "X-Request-ID: " + "a" * 200,
        "X-Request-ID: \xff",
        "Accept-Encoding: gzip",
        "Range: bytes=0-1",
    ),
    *("If-None-Match: *", "Cookie: " + "a=b; " * 1_000, "Authorization: Basic \xff", "Authorization: Bearer"),
    *("X-Goog-Api-Key: \xe9", "api-key: ", "Inference-Header-Content-Length: 9", "Ce-Id: 1", "Origin: null"),
    *(
        "Access-Control-Request-Method: POST",
        "Content-Encoding: gzip",
        "Content-Encoding: br",
        "Trailer: Host",
    ),
)
VERSIONS: Final = (
    *(["HTTP/1.1"] * 8),
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/1.9",
    "http/1.1",
    "HTTP/1.\xb2",
    "",
)
CHUNKS: Final = (
    *(
        b"zz\r\n",
        b"-1\r\nx\r\n",
        b"ffffffffffffffffff\r\nx",
        b"5\r\nabcdeXX",
        b"5;" + b"e" * 70_000,
        b"\r\n",
        b"5 \r\nabcde",
    ),
    *(
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\nHost: x\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 9_000,
        b"0x1\r\na\r\n",
        b"5\nabcde\n0\n\n",
    ),
    *(b"1;a=\r\r\na\r\n", b"1" * 70_000, b"0\r\n", b"5\r\nab", b""),
)


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
    asked = [one for one in targets if one.bodies]
    target = dice.choice(asked if dice.random() < ASKED else targets)
    kinds = [kind for kind in KINDS if target.bodies or kind in ("valid", "head", "pipelined", "cut")]
    kind = dice.choices(kinds, [KINDS[one] for one in kinds])[0]
    if kind in ("tree", "bytes", "type", "encoding", "slow", "chunked", "valid"):
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
    "slow": 0.3,
    "head": 15.0,
    "pipelined": 2.0,
    "cut": 3.0,
    "stall": 0.01,
}


def _framed(kind: str, number: int, target: Target, dice: random.Random) -> Case:
    """A request that HTTP can carry, whatever it carries."""
    root = tree(dice.choice(target.bodies)) if target.bodies else None
    body = b"" if root is None else dump(root if kind == "valid" else mutated(root, dice))
    lines = {"Host": "t", "Content-Type": JSON, **target.headers}
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
            ("gzip", bomb() if dice.random() < 0.1 else packed[:10]),
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
    if target.bodies and dice.random() < 0.2:
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
