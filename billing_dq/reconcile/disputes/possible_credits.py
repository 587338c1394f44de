"""Credits that no reading gives to a dispute and that may be for it all the same: a person has to say.

The rule is docs/stripe.md, "The credit of a reinstated dispute", 4. To give units twice costs more than to wait a day,
so what is near is enough here, while a small credit for something else holds nothing back.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from billing_dq.reconcile.disputes.hand_credits import HandCredit

#: The clocks of Stripe and of the application differ, and people are quick: a credit may lie before the withdrawal.
EARLIER = timedelta(hours=1)
#: A slip makes an amount so many times too large; of those that make it too small only the first one is much.
_TOO_LARGE = tuple(10.0**zeros for zeros in range(1, 7))
_TOO_SMALL = 10.0


def may_be_for(credits: Sequence[HandCredit], key: str, since: datetime, amounts: Iterable[float]) -> bool:
    """Whether one of the credits, or several together, may be for a dispute.

    Args:
        credits: the organization's credits by hand that are in no reading and name no other dispute.
        key: the dispute's, as `dispute_key` makes it.
        since: when its money was withdrawn.
        amounts: units that a person may have meant.
    """
    meant = [amount for amount in amounts if amount > 0]
    if any(key in credit.names for credit in credits):
        return True
    in_time = [credit for credit in credits if credit.at >= since - EARLIER]
    if meant and any(not credit.has_reference for credit in in_time):
        return True
    return any(_near([credit.units for credit in in_time], amount) for amount in meant)


def _near(credits: Sequence[float], amount: float) -> bool:
    """Whether a credit is half to double of an amount or a slip away from it, or small ones together are half of it."""
    half = amount / 2
    if any(half <= units <= 2 * amount or _is_slip(units, amount) for units in credits):
        return True
    return sum(units for units in credits if units < half) >= half


def _is_slip(units: float, amount: float) -> bool:
    return any(abs(units - amount * times) < 1 for times in _TOO_LARGE) or abs(units * _TOO_SMALL - amount) < 1
