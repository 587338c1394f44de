"""When two texts look alike to a person: names of people, and the references that people type.

What a reader cannot tell apart must not count as different: case, width, space, and signs that take no room.
"""

import re
import unicodedata

#: Signs that take no room: controls and formats, fillers, and selectors of a variant.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_SEPARATORS = re.compile(r"[\W_]+")
#: Behind its prefix, which somebody may have written with another separator or none, the id's own signs.
_DISPUTE = re.compile(r"(?<![a-z0-9])d[up][\W_]+([a-z0-9][a-z0-9_]*)")
_OUR_CREDIT = re.compile(r"dispute[\W_]*reinstate[\W_]*d[up][\W_]*(.+)")
#: No other text has so many letters and digits in a row; an ObjectId has, and is no dispute's id.
_BARE_ID = re.compile(r"(?<![a-z0-9])[a-z0-9]{16,}(?![a-z0-9])")


def comparable(text: str) -> str:
    """The text with what a reader cannot see taken away: NFKC, case-folded, space as one blank each."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    visible = "".join(
        sign for sign in _INVISIBLE.sub("", folded) if sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cf")
    )
    return " ".join(visible.split())


def looks_like(first: str, second: str) -> bool:
    """Whether a reader takes two texts for one, blanks aside."""
    return comparable(first).replace(" ", "") == comparable(second).replace(" ", "")


def dispute_key(dispute_id: str) -> str:
    """A dispute's id without its prefix and its separators, in small letters: what `disputes_named` looks up."""
    return _SEPARATORS.sub("", comparable(dispute_id).partition("_")[2])


def disputes_named(reference: str) -> frozenset[str]:
    """The keys of the disputes that a reference may name; where the end of an id is not clear, every one it may be."""
    text = comparable(reference)
    names = [match[1] for match in _DISPUTE.finditer(text)]
    our_credit = _OUR_CREDIT.fullmatch(text.replace(" ", ""))
    keys = {*_BARE_ID.findall(text), *([_SEPARATORS.sub("", our_credit[1])] if our_credit else [])}
    for name in names:
        parts = name.split("_")
        keys |= {"".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return frozenset(keys - {""})
