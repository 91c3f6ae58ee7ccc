"""What every answer says to browsers: security headers, and CORS where the operator wants it. No Flask."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
POLICY: Final = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
PLAIN: Final = (*ALWAYS, POLICY)
ANY: Final = "*"
EXPOSED: Final = (
    "X-Request-ID, X-Chatmod-Attributes, Retry-After, RateLimit, RateLimit-Policy, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    "Inference-Header-Content-Length, x-ms-error-code"
)
HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9-]+(\s*,\s*[A-Za-z0-9-]+)*")
PREFLIGHT_AGE_S: Final = 7200

Headers = list[tuple[str, str]]


def security(headers: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """What to add to these headers of an answer: a page with a policy keeps its own."""
    own = any(name == POLICY[0] for name, _ in headers)
    return ALWAYS if own else PLAIN


def allowed(origin: str | None, origins: Collection[str]) -> Headers:
    """What lets a page of this origin read the answer; nothing where it may not."""
    if not origin or not (origin in origins or ANY in origins):
        return []
    if ANY in origins:
        return [("Access-Control-Allow-Origin", ANY), ("Access-Control-Expose-Headers", EXPOSED)]
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", EXPOSED),
        ("Vary", "Origin"),
    ]


def preflight(methods: Iterable[str], wanted: str) -> Headers:
    """What a browser may send: the methods of the path, and whatever headers the client's library adds.

    No cookie and no other credential is sent by itself, so that headers do no harm.
    """
    named = wanted if HEADER_NAMES.fullmatch(wanted) else "Authorization, Content-Type"
    return [
        ("Access-Control-Allow-Methods", ", ".join(sorted(methods))),
        ("Access-Control-Allow-Headers", named),
        ("Access-Control-Max-Age", str(PREFLIGHT_AGE_S)),
    ]


def lines(headers: Sequence[tuple[str, str]]) -> list[str]:
    """Headers as they go over the wire."""
    return [f"{name}: {value}" for name, value in headers]
