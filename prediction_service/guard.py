"""Whether one request may pass: its key, the key's scope, and the limit. Pure of Flask and of dialects.

What is wrong is named by a code of problems.py; the dialect of the request tells it as its provider does.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_network
from typing import TYPE_CHECKING, Any, Final

from prediction_service import rate
from prediction_service.problems import (
    KEY_INVALID,
    KEY_MISSING,
    KEYS_DIFFER,
    RATE_EXCEEDED,
    SCOPE_MISSING,
    Refusal,
)

if TYPE_CHECKING:
    from prediction_service.keyfile import Watched
    from prediction_service.keys import Key
    from prediction_service.rate import Limiter, Standing

KEY_HEADERS: Final = ("X-API-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key")
KEY_VARIABLES: Final = tuple(f"HTTP_{name.upper().replace('-', '_')}" for name in KEY_HEADERS)
BEARER: Final = "bearer "
CHALLENGE: Final = 'Bearer realm="chat-moderation"'
AGAIN_S: Final = 1
# what the gate tells those behind it: that it has let this request in, and with whose key
ADMITTED: Final = "chatmod.admitted"
KEY_ID: Final = "chatmod.key_id"


@dataclass(frozen=True)
class Asked:
    """What the guard looks at in a request: the scope that it needs, and where a key may be.

    ``environ`` has its headers as WSGI names them, ``in_query`` what is given as ``?key=``; ``carrier`` is
    where its clients put a key.
    """

    scope: str
    environ: Mapping[str, Any]
    carrier: str
    in_query: Sequence[str] = ()


class Guard:
    """Says whose a request is, and counts it; refuses what may not pass.

    ``limit`` is for those who have none of their own; ``limiter`` makes what counts, once it is needed.
    """

    def __init__(
        self, keys: "Watched | None", limit: str | None, limiter: "Callable[[], Limiter]" = rate.Limiter
    ) -> None:
        self._keys = keys
        self._limit = limit
        self._make = limiter
        self._limiter: Limiter | None = None
        self._lock = threading.Lock()
        keyring = keys.current() if keys else None
        if limit or (keyring and keyring.limits()):
            self._counter()

    def identify(self, asked: Asked) -> "Key | None":
        """Whose request it is; None where nobody is asked for a key.

        Raises:
            Refusal: there is no key in it, one that is not valid, or two.

        """
        if self._keys is None:
            return None
        keyring = self._keys.current()
        if keyring is None:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the service cannot read its API keys: tell its operator, and ask again later",
                headers={"Retry-After": str(AGAIN_S)},
            )
        shown = shown_keys(asked)
        key = keyring.find(next(iter(shown)), time.time()) if len(shown) == 1 else None
        if key is not None:
            return key
        self.admit(asked, None)  # who guesses keys is counted by address
        if len(shown) == 1:
            raise _invalid()
        raise _several() if shown else _missing(asked.carrier)

    def admit(self, asked: Asked, key: "Key | None") -> Sequence[tuple[str, str]]:
        """Count the request; what the head of its answer says about the limit.

        Raises:
            Refusal: the key has not the scope, or there were too many requests.

        """
        if key and not key.allows(asked.scope):
            raise _out_of_scope(key, asked.scope)
        limit = (key.limit if key else None) or self._limit
        if limit is None:
            return ()
        who = f"key/{key.id}" if key else f"address/{_neighbours(asked.environ['REMOTE_ADDR'])}"
        standing = self._counter().hit(limit, who)
        headers = rate.headers(standing, time.time())
        if not standing.fits:
            raise _too_many(standing, headers, key)
        return headers

    def _counter(self) -> "Limiter":
        with self._lock:
            self._limiter = self._limiter or self._make()
            return self._limiter


def shown_keys(asked: Asked) -> set[str]:
    """Every key that a request carries, in whatever place; the same one twice is one."""
    shown = {asked.environ.get(name, "") for name in KEY_VARIABLES}
    authorization = asked.environ.get("HTTP_AUTHORIZATION", "")
    if authorization[: len(BEARER)].lower() == BEARER:
        shown.add(authorization[len(BEARER) :].strip())
    shown.update(asked.in_query)
    shown.discard("")
    return shown


def _neighbours(address: str) -> str:
    """An address as limits count it: IPv6 clients have a whole /64 each, IPv4's in their disguise do not."""
    if ":" not in address:
        return address
    mapped = IPv6Address(address.partition("%")[0]).ipv4_mapped
    return str(mapped) if mapped else str(ip_network(f"{address.partition('%')[0]}/64", strict=False))


def _missing(carrier: str) -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        f"there is no API key in this request: send one as {carrier}",
        headers={"WWW-Authenticate": CHALLENGE},
        code=KEY_MISSING,
    )


def _several() -> Refusal:
    return Refusal(
        HTTPStatus.BAD_REQUEST,
        "this request carries two different API keys: send one of them",
        code=KEYS_DIFFER,
    )


def _invalid() -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "this API key is not valid here, or no longer: ask the operator of this service for another",
        headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'},
        code=KEY_INVALID,
    )


def _out_of_scope(key: "Key", scope: str) -> Refusal:
    return Refusal(
        HTTPStatus.FORBIDDEN,
        f"this API key is for {', '.join(key.scopes)}: ask the operator of this service for one for {scope}",
        headers={"WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"'},
        code=SCOPE_MISSING,
    )


def _too_many(standing: "Standing", headers: Sequence[tuple[str, str]], key: "Key | None") -> Refusal:
    whose = "this API key" if key else "this address"
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"{standing.limit} requests in {standing.window_s} s are the limit of {whose}: "
        f"ask again in {standing.reset_s} s",
        headers={"Retry-After": str(standing.reset_s), **dict(headers)},
        code=RATE_EXCEEDED,
    )
