"""Identifiers as MongoDB, Stripe and the application make them, drawn from a seeded generator."""

from random import Random
from uuid import UUID

from bson import ObjectId

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Ids:
    """The identifiers of one organization."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def object_id(self, millis: int) -> ObjectId:
        """An ObjectId made at an instant."""
        return ObjectId((millis // 1000).to_bytes(4, "big") + self._random.getrandbits(64).to_bytes(8, "big"))

    def hexadecimal(self) -> str:
        """24 hexadecimal characters."""
        return f"{self._random.getrandbits(96):024x}"

    def stripe(self, prefix: str) -> str:
        """A Stripe identifier such as ``sub_1T...``."""
        return f"{prefix}_1T{self._letters(22)}"

    def customer(self) -> str:
        """A customer's, which is shorter."""
        return f"cus_{self._letters(14)}"

    def short(self, prefix: str) -> str:
        """An identifier of a part, such as a subscription's item."""
        return f"{prefix}_{self._letters(14)}"

    def session(self) -> str:
        """A checkout session's, which is longer."""
        return f"cs_live_{self._letters(58)}"

    def uuid(self) -> str:
        """A request id of the application."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _letters(self, length: int) -> str:
        bits = self._random.getrandbits(6 * length)
        return "".join(_ALPHABET[((bits >> shift) & 63) % 62] for shift in range(0, 6 * length, 6))
