"""What a person (or a job's config) may ask for: each part checked, refused with one line that says what is wrong."""

import re

_DISPUTE = re.compile(r"(du|dp)_[A-Za-z0-9_]{1,128}")
_ORGANIZATION = re.compile(r"[0-9a-f]{24}")
_HASH = re.compile(r"[0-9a-f]{24}")
_SHORTEST_WHY = 10
_LONGEST = 500


def dispute_id(text: str) -> str:
    """A Stripe dispute id.

    Raises:
        ValueError: it has another prefix, or signs that no id has.
    """
    if not _DISPUTE.fullmatch(text):
        raise ValueError(f"{_shown(text)} is no dispute id: it must look like du_... or dp_...")
    return text


def organization_id(text: str) -> str:
    """An organization's id.

    Raises:
        ValueError: it is not 24 hexadecimal characters.
    """
    if not _ORGANIZATION.fullmatch(text):
        raise ValueError(f"{_shown(text)} is no organization id: it must be 24 hexadecimal characters")
    return text


def acknowledged(text: str) -> str:
    """What a person acknowledges: a ledger entry by its id, or the word `log`.

    Raises:
        ValueError: it is neither.
    """
    if text != "log" and not _HASH.fullmatch(text):
        raise ValueError(f"{_shown(text)} is neither the id of an entry, 24 hexadecimal characters, nor the word log")
    return text


def plan_hash(text: str) -> str:
    """The hash of a plan, as `credits list` and `credits show` print it.

    Raises:
        ValueError: it is not such a hash.
    """
    if not _HASH.fullmatch(text):
        raise ValueError(f"{_shown(text)} is no plan hash: it must be 24 hexadecimal characters, from `credits show`")
    return text


def person(text: str) -> str:
    """The name of who asks or approves, without surrounding space.

    Raises:
        ValueError: it is empty, too long or not printable.
    """
    name = " ".join(text.split())
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise ValueError("a name is missing: say who you are")
    return name


def why(text: str) -> str:
    """The reason a person gives, without surrounding space.

    Raises:
        ValueError: it has fewer than 10 characters, or too many.
    """
    reason = " ".join(text.split())
    if len(reason) < _SHORTEST_WHY:
        raise ValueError(f"the reason is too short: {_SHORTEST_WHY} characters at least, so that it can be understood")
    if len(reason) > _LONGEST:
        raise ValueError(f"the reason is too long: {_LONGEST} characters at most")
    return reason


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:40] + "...")
