"""The references of ledger entries (`refId`), and of attribution keys that name one: how they are built and read.

The application builds them (docs/domain.md, "Collections"); `dispute_reinstate_` is this system's own.

| reference | entry |
|---|---|
| `settle:<week>` | the adjustment of a settled week; the same key stands in that week's usage document |
| `expire-<topup entry>` | the expiration of what is left of a top-up |
| `refund-dispute_<dispute>-<topup entry>`, older `dispute_<dispute>` | the clawback of a disputed pack |
| `dispute_reinstate_<dispute>` | this system's credit of a reinstated dispute |
| `archive-<date>` | the adjustment that carries over what was archived of a ledger |
| `signup_grant-<organization>`, `referral:<invitation>:<side>` | the top-up of a grant |
| `dispute-credit-<request>` | a credit that the application's tool gave; it names no dispute |
"""

import re
from dataclasses import dataclass
from typing import Final

SETTLEMENT: Final = "settle:"
EXPIRATION: Final = "expire-"
REFUND: Final = "refund-"
CLAWBACK: Final = "refund-dispute_"
#: How clawbacks were named once; `REINSTATEMENT` starts with it as well, and is told apart by its kind of entry.
OLD_CLAWBACK: Final = "dispute_"
REINSTATEMENT: Final = "dispute_reinstate_"
TOOL_CREDIT: Final = "dispute-credit-"
CARRIED_OVER: Final = "archive-"
SIGNUP_GRANT: Final = "signup_grant-"
REFERRAL_GRANT: Final = "referral:"

_SESSION_MODE: Final = re.compile(r"cs_(live|test)_")
_CLAWBACK: Final = re.compile(r"refund-dispute_(?P<dispute>.+)-(?P<topup>[^-]+)|dispute_(?P<old>.+)")
_REINSTATEMENT: Final = re.compile(r"dispute_reinstate_(.+)")


@dataclass(frozen=True)
class ClawbackReference:
    """What the reference of a clawback names; an old one names no top-up."""

    dispute_id: str
    topup_id: str | None


def reinstatement_ref(dispute_id: str) -> str:
    """The reference of this system's credit of a dispute: its idempotency key."""
    return REINSTATEMENT + dispute_id


def expiration_ref(topup_id: str) -> str:
    """The reference of the expiration of a top-up, by the top-up's entry id."""
    return EXPIRATION + topup_id


def clawback_of(ref: str) -> ClawbackReference | None:
    """What a clawback's reference names; None where it is no such reference. The kind of its entry is not asked."""
    match = _CLAWBACK.fullmatch(ref)
    return None if match is None else ClawbackReference(match["dispute"] or match["old"], match["topup"])


def reinstated_dispute(ref: str) -> str | None:
    """The dispute that this system's credit is of; None where it is no such reference."""
    match = _REINSTATEMENT.fullmatch(ref)
    return None if match is None else match[1]


def is_clawback_of(ref: str, dispute_id: str) -> bool:
    """Whether a reference claws back this dispute, by its new name or its old one."""
    return ref.startswith(f"{CLAWBACK}{dispute_id}-") or ref == OLD_CLAWBACK + dispute_id


def session_livemode(session: str) -> bool | None:
    """The mode that the id of a checkout session tells: live, test, or None where it tells neither."""
    mode = _SESSION_MODE.match(session)
    return None if mode is None else mode[1] == "live"
