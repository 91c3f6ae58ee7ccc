"""The catalogue of attributes: which head of the bundle answers under which name. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from prediction_service.exceptions import ServiceError
from prediction_service.settings import PREFIX

HEADER: Final = "X-Chatmod-Attributes"


def catalogue(mapping: Mapping[str, str], heads: Sequence[str]) -> dict[str, str]:
    """Each head under its own name, and under the names that the operator maps to it.

    Raises:
        ServiceError: a mapping names a head that is not there, or hides one that is.

    """
    for name, head in mapping.items():
        if head not in heads:
            raise ServiceError(
                f"{PREFIX}ATTRIBUTES={stated({name: head})!r} and this bundle has no head {head}: "
                f"map {name} to one of {', '.join(heads)}, or serve a bundle with that head"
            )
        if name in heads and name != head:
            raise ServiceError(
                f"{PREFIX}ATTRIBUTES={stated({name: head})!r} and this bundle has a head {name} of its own: "
                "remove that mapping"
            )
    return {head: head for head in heads} | dict(mapping)


def stated(mapping: Mapping[str, str]) -> str:
    """A mapping on one line, as the setting and the response header have it."""
    return ",".join(f"{name}={head}" for name, head in mapping.items())
