"""One raw document, element by element: for the few that are not read as columns."""

from collections.abc import Iterator
from dataclasses import dataclass

import bson
import numpy as np
from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from bson.errors import InvalidBSON

from billing_dq.sources.mongodb.bson.types import after_zero, value_size

_OPTIONS = CodecOptions[dict[str, object]](
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)


class Malformed(ValueError):
    """The bytes are no BSON from some place on."""


@dataclass(frozen=True)
class Element:
    """A field of a document or an item of a list: its name, BSON type and the bytes of its value."""

    name: str
    kind: int
    value: bytes

    def decoded(self) -> object:
        """The value as Python has it; None where it cannot be decoded."""
        content = bytes([self.kind]) + b"v\0" + self.value + b"\0"
        try:
            return bson.decode((len(content) + 4).to_bytes(4, "little") + content, _OPTIONS)["v"]
        except (InvalidBSON, RecursionError):
            return None


def elements(raw: bytes) -> Iterator[Element]:
    """The elements of a document, an object or a list, in order; names that are not UTF-8 are made readable.

    Raises:
        Malformed: after the last element before the malformed bytes.
    """
    buffer = np.frombuffer(raw, dtype=np.uint8)
    place, end = 4, len(raw) - 1
    while place < end:
        kind, name = raw[place], place + 1
        value = after_zero(buffer, name, end)
        size = value_size(buffer, kind, value, end) if value >= 0 else -1
        if size < 0:
            raise Malformed(f"no BSON from byte {place} on")
        yield Element(raw[name : value - 1].decode(errors="replace"), kind, raw[value : value + size])
        place = value + size


def readable_fields(raw: bytes) -> dict[str, object]:
    """The top fields that can be decoded, as far as the document is BSON; of a field that comes twice the last."""
    fields: dict[str, object] = {}
    try:
        for element in elements(raw):
            fields[element.name] = element.decoded()
    except Malformed:
        pass  # the explanation tells of it
    return fields
