"""Text from data for terminals and tickets: signs that a terminal would obey become signs that a reader sees.

Dispute ids, references, reasons and errors are free text of whoever wrote the database or Stripe's metadata. An escape
sequence among them could hide or rewrite what is printed above it, and a change of writing direction an id.
"""

import re

#: Control characters, those that turn the writing direction or take no room, and halves of a pair that UTF-8 lacks.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text on one line, with each such sign as its escape, such as ``\x1b``."""
    return _OBEYED.sub(lambda obeyed: obeyed[0].encode("unicode_escape").decode("ascii"), text)
