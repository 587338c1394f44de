"""What a finding amounts to, in five words and no more; page, alert, run tag, command and table use these."""

from typing import Literal

Verdict = Literal["unexplained", "undecided", "by_design", "too_small", "accepted"]

#: In the order in which to act on them, with what people call them. `unexplained` is every break without another
#: verdict: what it is worth is owed. A fault within the tolerance is too small, and never by design.
VERDICTS: dict[Verdict, str] = {
    "unexplained": "owed (unexplained)",
    "undecided": "undecided",
    "by_design": "by design",
    "too_small": "too small to act on",
    "accepted": "accepted",
}
