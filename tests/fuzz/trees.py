"""JSON that libraries refuse to write: repeated keys, tokens that are no JSON, strings cut anywhere."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

LONG: Final = 1_000_000
MARK: Final = "zqprivate"  # stands in every text, and never in the log


@dataclass(frozen=True)
class Raw:
    """A piece of the body as it is sent."""

    token: bytes


class Pairs(list[tuple[Any, Any]]):
    """An object's keys and values; a key may come twice, and need not be a string."""


def tree(value: Any) -> Any:
    """A JSON value as lists and pairs that can be changed."""
    if isinstance(value, dict):
        return Pairs((key, tree(one)) for key, one in value.items())
    return [tree(one) for one in value] if isinstance(value, list) else value


def dump(node: Any) -> bytes:
    """The tree as it is sent."""
    if isinstance(node, Raw):
        return node.token
    if isinstance(node, Pairs):
        return b"{" + b",".join(dump(key) + b":" + dump(value) for key, value in node) + b"}"
    if isinstance(node, list):
        return b"[" + b",".join(map(dump, node)) + b"]"
    return json.dumps(node).encode()


SMALL: Final[tuple[bytes, ...]] = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"-0", b"-0.0", b"00", b"+1", b".5"),
    *(b"0", b"1", b"-1", b"0.5", b"1.0", b"9223372036854775807", b"9223372036854775808"),
    *(b"-9223372036854775809", b"18446744073709551616", b"0x10", b"1_0", b"1e5", b"9" * 400, b"9" * 5_000),
    *(
        b"0." + b"3" * 5_000,
        b"null",
        b"true",
        b"false",
        b"None",
        b"{}",
        b"[]",
        b"[[]]",
        b'{"a":{}}',
        b"{",
        b"}",
    ),
    *(b'""', b'" "', b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\\u200b"'),
    *(
        b'"\\ufeff"',
        b'"\\u202e evil"',
        b'"\xff"',
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b'"\xf4\x90\x80\x80"',
        b'"\\x"',
    ),
    *(b'"\x00"', b'"\n"', b'"\\u00"', b'"open', b"'single'", b'"a"b', b"/**/1", b"\xef\xbb\xbf1", b"", b","),
    *(b'"' + b"\\u0301" * 3_000 + b'"', b'"' + b"\\u200d" * 3_000 + b'"', b'"e\\u0301\\u0300\\u20dd"'),
    *(b'"' + b"A" * 20_480 + b'"', b'"' + b"A" * 20_481 + b'"', b'"' + b"\\u4f60" * 6_826 + b'"'),
)
TEXTS: Final[tuple[str, ...]] = (
    *("&amp;" * 2_000, "<U+" * 3_000, "<U+0041>" * 1_500, " edit:" * 2_000, ". " * 5_000, "\n" * 5_000),
    *(
        "\u200b" * 5_000 + "a",
        "\u0301" * 10_000,
        "a\u0301" * 3_000,
        "\u202e\u2066" * 2_000,
        "\0" * 5_000 + "a",
    ),
    *("\U0001f468\u200d\U0001f469" * 800, "\ufdfa" * 5_000, "ß" * 5_000, "İ" * 5_000, "&#x26;" * 2_000),
    *(
        ".)" * 5_000,
        "*edit*" * 2_000,
        "%s%n{}{0.__class__}${7*7}" * 100,
        "' OR 1=1 --",
        "<script>alert(1)</script>",
    ),
    *(
        "a" * 20_480,
        "a " * 10_240,
        "\ud800",
        "x" + "\udfff" * 500,
        "日本語。" * 2_000,
        "\u0000",
        "\ufffe\uffff",
    ),
)
LARGE: Final[tuple[Callable[[], bytes], ...]] = (
    lambda: b'"' + b"a" * LONG + b'"',
    lambda: b'"' + b" " * LONG + b'"',
    lambda: b'"' + b"\\u0301" * (LONG // 6) + b'"',
    lambda: b'"' + "\U0001f600".encode() * (LONG // 4) + b'"',
    lambda: b"[" * 100_000,
    lambda: b"[" * 100_000 + b"]" * 100_000,
    lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    lambda: b"[" + b"0," * (LONG // 2) + b"0]",
    lambda: b"[" + b"{}," * (LONG // 3) + b"{}]",
    lambda: b"[" + b'"a",' * (LONG // 4) + b'"a"]',
    lambda: b"{" + b",".join(b'"%d":0' % number for number in range(LONG // 10)) + b"}",
    lambda: b"{" + b'"a":0,' * (LONG // 6) + b'"a":0}',
    lambda: b"9" * LONG,
    lambda: b"1." + b"9" * LONG,
)


def nasty(dice: random.Random) -> Any:
    """A value that nobody expects; now and then a megabyte of it."""
    kind = dice.random()
    if kind < 0.02:
        return Raw(dice.choice(LARGE)())
    if kind < 0.6:
        return Raw(dice.choice(SMALL))
    if kind < 0.9:
        return f"{MARK} {dice.choice(TEXTS)}"[: dice.choice((20, 20_480))]
    return "".join(chr(dice.randrange(0x110000)) for _ in range(dice.randrange(60)))


def enlarged(root: Any, which: int, dice: random.Random) -> Any:
    """The tree with one place changed to a megabyte of this kind."""
    holder = [root]
    where, place = dice.choice(list(places(holder)))
    value = Raw(LARGE[which]())
    where[place] = (where[place][0], value) if isinstance(where, Pairs) else value
    return holder[0]


def places(node: Any) -> Iterator[tuple[list[Any], int]]:
    """Every place of a tree that holds a value: the list that it is in, and where."""
    if isinstance(node, list):
        for place, one in enumerate(node):
            yield node, place
            yield from places(one[1] if isinstance(node, Pairs) else one)


def mutated(root: Any, dice: random.Random) -> Any:
    """The tree with a few places changed."""
    holder = [root]
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        found = list(places(holder))
        if found:
            _change(*dice.choice(found), dice)
    return holder[0] if holder else Raw(b"")


def _change(where: list[Any], place: int, dice: random.Random) -> None:
    how = dice.randrange(7)
    one = where[place]
    keyed = isinstance(where, Pairs)
    if how == 0:
        del where[place]
    elif how == 1:
        where.insert(dice.randrange(len(where) + 1), one)
    elif how == 2 and keyed:
        where[place] = (_other_key(one[0], dice), one[1])
    elif how == 3:
        where[place] = (one[0], [one[1]]) if keyed else [one]
    elif how == 4 and keyed:
        where.insert(place, (one[0], nasty(dice)))
    elif how == 5:
        where[place] = (one[0], Pairs([("a", one[1])])) if keyed else Pairs([("a", one)])
    else:
        where[place] = (one[0], nasty(dice)) if keyed else nasty(dice)


def _other_key(key: Any, dice: random.Random) -> Any:
    known = [f"{key}x", str(key).upper(), str(key).lower(), "", "__proto__", "\u0000", "\ud800", "é", 0, None]
    return dice.choice([*known, Raw(b'"open'), Raw(b'"' + b"k" * 10_000 + b'"'), Raw(b"{}")])
