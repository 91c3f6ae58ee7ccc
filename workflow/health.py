"""What a part's address says of it: that it is up, or why it is not. Starts and ends nothing."""

import re
from dataclasses import dataclass
from typing import Any, Final

import httpx

HOST: Final = "127.0.0.1"
# with this the service ends a reason that need not last
AGAIN: Final = re.compile(r"; next attempt in [0-9]+ s$")


@dataclass(frozen=True)
class Health:
    """How a part is.

    Attributes:
        is_up: its address answers 200.
        trouble: why it has failed to become ready; empty where it says no such thing.
        is_lasting: it will not try again by itself.

    """

    is_up: bool
    trouble: str = ""
    is_lasting: bool = False


def look(address: str) -> Health:
    """How the part at this address is now."""
    try:
        # A proxy knows nothing of this machine's own ports.
        ours = address.startswith(f"http://{HOST}:")
        answer = httpx.get(address, timeout=1.0, trust_env=not ours)
    except httpx.HTTPError:
        return Health(is_up=False)
    if answer.status_code == httpx.codes.OK:
        return Health(is_up=True)
    said = _document(answer)
    if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or said.get("status") != "failed":
        return Health(is_up=False)
    reason, again = AGAIN.subn("", str(said.get("detail", "")))
    return Health(is_up=False, trouble=reason or "it does not say why", is_lasting=not again)


def answers(address: str) -> bool:
    """Whether an address answers 200 now."""
    return look(address).is_up


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
