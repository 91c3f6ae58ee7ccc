"""Tensors of the Open Inference Protocol, as JSON and as bytes. Pure: knows no Flask and no model."""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from prediction_service.problems import Refusal, invalid, shown
from prediction_service.wire import FieldError

LENGTH: Final = struct.Struct("<I")
FP32: Final = np.dtype("<f4")
WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,12}")
HEADER: Final = "Inference-Header-Content-Length"
DATA: Final = "inputs[0].data"
SIZE: Final = "inputs[0].parameters.binary_data_size"
LAYOUT: Final = "each element is its length in 4 bytes, little-endian, and its bytes"


@dataclass(frozen=True)
class Output:
    """One output tensor of one dimension: scores or texts."""

    name: str
    values: npt.NDArray[np.float32] | Sequence[str]
    binary: bool


def cut(body: bytes, length: str | None) -> tuple[bytes, bytes | None]:
    """The JSON of a body, and what follows it where the header says how long the JSON is.

    Raises:
        Refusal: the header is no number, or says more than there is.

    """
    if length is None:
        return body, None
    if not WHOLE_NUMBER.fullmatch(length):
        raise wrong(HEADER, shown(length), "give the number of bytes of the JSON")
    if int(length) > len(body):
        raise wrong(HEADER, length, f"the body has {len(body)} bytes: give the number of those of its JSON")
    return body[: int(length)], body[int(length) :]


def from_json(data: Any, count: int) -> list[str]:
    """The texts of a tensor in JSON, flat or nested.

    Raises:
        Refusal: it is no list of texts, or not as many as the shape says.

    """
    if not isinstance(data, list):
        raise wrong(DATA, shown(data), "give a list of strings")
    texts = list(_flat(data))
    if len(texts) != count:
        raise wrong(DATA, f"a list of {len(texts)}", f"give the {count} that the shape says")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise wrong(f"{DATA}[{place}]", shown(text), "give a string")
    return texts


def _flat(data: list[Any]) -> Iterator[Any]:
    for one in data:
        if isinstance(one, list):
            yield from one
        else:
            yield one


def from_bytes(raw: bytes, count: int) -> list[str]:
    """The texts of a tensor in bytes.

    Raises:
        Refusal: they end too early or too late for the shape, or one is no UTF-8.

    """
    texts, at = [], 0
    for place in range(count):
        start = at + LENGTH.size
        if start > len(raw):
            remedy = f"the shape says {count} elements: {LAYOUT}"
            raise wrong(SIZE, f"{len(raw)}, which ends before element {place}", remedy)
        at = start + LENGTH.unpack_from(raw, at)[0]
        if at > len(raw):
            says = f"cut off: it says {at - start} bytes and {len(raw) - start} are left"
            raise wrong(f"{DATA}[{place}]", says, LAYOUT)
        texts.append(text_of(raw[start:at], place))
    if at != len(raw):
        remedy = f"send as many elements as the shape says: {LAYOUT}"
        raise wrong(SIZE, f"{len(raw)}, of which {count} elements take {at}", remedy)
    return texts


def text_of(element: bytes, place: int) -> str:
    """The text of one element.

    Raises:
        Refusal: it is no UTF-8.

    """
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        says = f"no UTF-8: byte {error.start} is 0x{element[error.start]:02x}"
        raise wrong(f"{DATA}[{place}]", says, "encode texts as UTF-8") from error


def to_bytes(texts: Iterable[str]) -> bytes:
    """Texts as the bytes of a tensor."""
    encoded = [text.encode() for text in texts]
    return b"".join(part for one in encoded for part in (LENGTH.pack(len(one)), one))


def render(head: dict[str, Any], outputs: Iterable[Output]) -> tuple[bytes, int | None]:
    """An answer, and the length of its JSON where bytes follow that."""
    told: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for one in outputs:
        scores = one.values if isinstance(one.values, np.ndarray) else None
        kind = "BYTES" if scores is None else "FP32"
        tensor = {"name": one.name, "datatype": kind, "shape": [len(one.values)]}
        if one.binary:
            parts.append(to_bytes(one.values) if scores is None else scores.tobytes())
            told.append(tensor | {"parameters": {"binary_data_size": len(parts[-1])}})
        else:
            told.append(tensor | {"data": one.values})
    document = orjson.dumps({**head, "outputs": told}, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join((document, *parts)), len(document) if parts else None


def wrong(field: str, value: str, remedy: str) -> Refusal:
    """The refusal of a request because of one field."""
    return invalid([FieldError(field=field, value=value, remedy=remedy)])
