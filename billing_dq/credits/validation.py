"""What a person (or a job's config) may ask for: each part checked, refused with one line that says what is wrong."""

import re

_DISPUTE = re.compile(r"(du|dp)_[A-Za-z0-9_]{1,128}")
_HEXADECIMAL = re.compile(r"[0-9a-f]{24}")
_SHORTEST_WHY = 10
_LONGEST = 500


def dispute_id(text: str) -> str:
    """A Stripe dispute id, or a `ValueError`, as with every function here."""
    return _checked(text, _DISPUTE.fullmatch(text), "no dispute id: it must look like du_... or dp_...")


def organization_id(text: str) -> str:
    """An organization's id."""
    return _checked(text, _HEXADECIMAL.fullmatch(text), "no organization id: it must be 24 hexadecimal characters")


def acknowledged(text: str) -> str:
    """What a person acknowledges: a ledger entry by its id, or the word `log`."""
    is_either = text == "log" or _HEXADECIMAL.fullmatch(text)
    return _checked(text, is_either, "neither the id of an entry, 24 hexadecimal characters, nor the word log")


def plan_hash(text: str) -> str:
    """The hash of a plan, as `credits list` and `credits show` print it."""
    reason = "no plan hash: it must be 24 hexadecimal characters, from `credits show`"
    return _checked(text, _HEXADECIMAL.fullmatch(text), reason)


def person(text: str) -> str:
    """The name of who asks or approves, without surrounding space; printable, and of at most 500 characters."""
    name = " ".join(text.split())
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise ValueError("a name is missing: say who you are")
    return name


def why(text: str) -> str:
    """The reason a person gives, without surrounding space, of 10 to 500 characters."""
    reason = " ".join(text.split())
    if len(reason) < _SHORTEST_WHY:
        raise ValueError(f"the reason is too short: {_SHORTEST_WHY} characters at least, so that it can be understood")
    if len(reason) > _LONGEST:
        raise ValueError(f"the reason is too long: {_LONGEST} characters at most")
    return reason


def _checked(text: str, is_valid: object, reason: str) -> str:
    if not is_valid:
        raise ValueError(f"{text if len(text) <= 40 else text[:40] + '...'!a} is {reason}")
    return text
