"""API keys: who may ask for what, until when; of a secret only its hash is kept. Knows no file and no HTTP.

A secret is 256 random bits, so that one SHA-256 without salt is enough: slow hashes are for what people
choose. NIST SP 800-63B says so of look-up secrets with 112 bits or more of entropy (section 5.1.2.2).
"""

import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from prediction_service.exceptions import KeysError
from prediction_service.settings import DIALECTS, RATE_LIMIT

EVERYTHING: Final = "*"
LABELS: Final = "labels"
SCOPES: Final = (*DIALECTS, LABELS, EVERYTHING)
ID_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
ID: Final = r"[0-9a-z]{10}"
SECRET: Final = re.compile(rf"cm_({ID})_[A-Za-z0-9_-]{{43}}")
SECRET_BYTES: Final = 32
PLAIN: Final = re.compile(r"[a-z_]{1,20}|[0-9]{1,9}")
NOBODY: Final = (b"\0" * 32, -math.inf)


def _known(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError(f"give some of {', '.join(SCOPES)}")
    return scope


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fingerprint(_Entry):
    """The hash of one secret, and when that secret ends; None: with its key."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    until: AwareDatetime | None = None


class Key(_Entry):
    """One client: its scopes, its own limit, its days, and the secrets that it may show."""

    id: Annotated[str, Field(pattern=rf"^{ID}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Annotated[str, AfterValidator(_known)]], Field(min_length=1)]
    limit: Annotated[str, Field(pattern=rf"^{RATE_LIMIT}$")] | None = None
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    secrets: list[Fingerprint]

    def allows(self, scope: str) -> bool:
        """Whether this key opens what needs that scope."""
        return scope in self.scopes or EVERYTHING in self.scopes

    def state(self, now: datetime) -> str:
        """One word for people: valid, expired or revoked."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and self.expires <= now else "valid"


class KeyList(_Entry):
    """The whole file."""

    keys: list[Key] = []


class Keyring:
    """Keys by their ids, for one look-up a request."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._held = {
            key.id: (key, tuple((bytes.fromhex(one.sha256), _end(key, one)) for one in key.secrets))
            for key in keys
        }

    def find(self, text: str, now: float) -> Key | None:
        """The key whose secret this is, unless it has ended; the same work whether there is one or not."""
        named = SECRET.fullmatch(text)
        key, known = self._held.get(named[1], (None, ())) if named else (None, ())
        shown = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        fits = False
        for digest, until in known or (NOBODY,):
            fits |= hmac.compare_digest(digest, shown) and now < until
        return key if fits else None

    def limits(self) -> bool:
        """Whether any key has a limit of its own."""
        return any(key.limit for key, _ in self._held.values())


def _end(key: Key, one: Fingerprint) -> float:
    ends = [moment.timestamp() for moment in (key.expires, key.revoked, one.until) if moment]
    return min(ends, default=math.inf)


def parse(content: bytes) -> list[Key]:
    """The keys of a file.

    Raises:
        KeysError: it is no such file; says where, and never what stands there.

    """
    try:
        keys = KeyList.model_validate_json(content).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        # a field's name is whatever stands in the file: one that is no plain word is not repeated
        place = ".".join(str(step) if PLAIN.fullmatch(str(step)) else "…" for step in first["loc"])
        raise KeysError(f"{place or 'the file'}: {first['msg']}") from None
    ids = [key.id for key in keys]
    if twice := next((one for one in ids if ids.count(one) > 1), None):
        raise KeysError(f"two keys have the id {twice}")
    return keys


def render(keys: Sequence[Key]) -> bytes:
    """The file of these keys."""
    return KeyList(keys=list(keys)).model_dump_json(indent=2).encode() + b"\n"


def issue(
    name: str, scopes: Sequence[str], now: datetime, limit: str | None = None, life: timedelta | None = None
) -> tuple[Key, str]:
    """A new key, and its secret, which nobody can tell later.

    Raises:
        ValueError: the name, a scope or the limit cannot be used.

    """
    identifier = "".join(secrets.choice(ID_DIGITS) for _ in range(10))
    secret, fingerprint = _secret(identifier)
    key = Key(
        id=identifier,
        name=name,
        scopes=list(dict.fromkeys(scopes)),
        limit=limit,
        created=now,
        expires=None if life is None else now + life,
        secrets=[fingerprint],
    )
    return key, secret


def rotate(key: Key, now: datetime, grace: timedelta) -> tuple[Key, str]:
    """The key with a new secret, and that secret; older ones end when the grace is over, or before."""
    secret, fingerprint = _secret(key.id)
    end = now + grace
    older = [Fingerprint(sha256=one.sha256, until=min(one.until or end, end)) for one in key.secrets]
    kept = [one for one in older if one.until and one.until > now]
    return key.model_copy(update={"secrets": [*kept, fingerprint]}), secret


def revoke(key: Key, now: datetime) -> Key:
    """The key without a secret: it stays in the list, so that its id is understood in old logs."""
    return key.model_copy(update={"secrets": [], "revoked": key.revoked or now})


def _secret(identifier: str) -> tuple[str, Fingerprint]:
    secret = f"cm_{identifier}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return secret, Fingerprint(sha256=hashlib.sha256(secret.encode()).hexdigest())
