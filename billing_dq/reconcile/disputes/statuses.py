"""What each status of a dispute at Stripe says of it. A status that is not here is unknown.

See docs/stripe.md, "Disputes".
"""

from typing import Final

#: Stripe has not decided, about the dispute or about an appeal: whatever money moved may move back.
UNDECIDED: Final = frozenset(
    {
        "warning_needs_response",
        "warning_under_review",
        "needs_response",
        "under_review",
        "appeal_needs_response",
        "appeal_under_review",
    }
)
#: Decided for the merchant. Not final: the money may come months later, and an appeal may take it again.
WON: Final = "won"
#: Decided, and no money comes back any more; money that did come back contradicts them.
FINAL: Final = frozenset({"lost", "prevented", "warning_closed"})
KNOWN: Final = UNDECIDED | FINAL | {WON}
