"""The money of a dispute: what was withdrawn, what came back, and in which proportion.

See docs/stripe.md, "The money of a dispute".

Movements are in the settlement currency, the dispute in the charge's. Everything is compared in the charge's currency,
so that a rate that moved between the two days does not look like a partial win.

Beside withdrawal and reversal there can be small movements of either sign for the conversion of the currency
(docs/stripe.md, "The money of a dispute"). They are neither withdrawn nor reinstated, as a fee is neither, but
they widen what counts as all of the money: 500 withdrawn, 12 gained, 488 reversed is a net of nothing, so everything
came back.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from numbers import Real

import pandas as pd

from billing_dq.units import round_half_up

#: A movement of at most this share of the largest withdrawal may be a conversion ("a few per cent").
CONVERSION_SHARE = 0.05
#: Beyond these no rate between two currencies lies; one beyond is as good as none.
_RATES = (1e-6, 1e6)
_REVERSAL = "dispute_reversal"


@dataclass(frozen=True)
class Movement:
    """One balance transaction of a dispute, without its fee: negative is withdrawn, positive reinstated.

    ``category`` is Stripe's reporting category, empty where the shape has none.
    """

    amount_minor: int
    currency: str
    exchange_rate: float | None
    created: datetime
    category: str = ""


@dataclass(frozen=True)
class Sorted:
    """The movements of a dispute by what they are, each oldest first."""

    withdrawn: list[Movement]
    reinstated: list[Movement]
    conversions: list[Movement]


@dataclass(frozen=True)
class Money:
    """What the movements of one dispute add up to.

    Amounts are positive minor units of ``currency``: the charge's where every rate is known, else the settlement's;
    conversions are in none of them. ``fraction`` is the share of the withdrawn money that came back: 0 where none did,
    1 where all did but for roundings and conversions, null where nothing was withdrawn or ``problem`` says why it is
    not known: `fx_unknown`, `no_withdrawal`, `more_reinstated` or `second_withdrawal`.
    """

    currency: str
    withdrawn_minor: int
    reinstated_minor: int
    fraction: float | None
    problem: str | None
    first_withdrawal: datetime | None
    last_withdrawal: datetime | None
    last_reinstatement: datetime | None = None

    @property
    def may_be_conversion(self) -> bool:
        """Whether so little came back that a conversion booked as a reversal would look the same."""
        return self.fraction is not None and 0 < self.fraction <= CONVERSION_SHARE


def movements_of(cells: Iterable[Mapping[str, object]]) -> list[Movement]:
    """The movements in a cell of STRIPE_DISPUTES, by time, withdrawals first where the time is the same."""
    movements: list[Movement] = []
    for cell in cells:  # one dispute's few movements
        amount, rate, created = cell["amount_minor"], cell["exchange_rate"], cell["created"]
        if not isinstance(amount, Real) or not isinstance(created, datetime):
            raise TypeError(f"a movement needs an amount and a time, not {amount!r} and {created!r}")
        ratio = float(rate) if isinstance(rate, Real) else math.nan
        instant = pd.Timestamp(created)
        movements.append(
            Movement(
                amount_minor=int(float(amount)),
                currency=str(cell["currency"]).lower(),
                exchange_rate=ratio if _RATES[0] <= ratio <= _RATES[1] else None,
                created=instant.tz_localize("UTC") if instant.tzinfo is None else instant.tz_convert("UTC"),
                category=str(cell["reporting_category"] or ""),
            )
        )
    # every field counts, so that movements of one instant do not stand in the order in which they were listed
    return sorted(
        movements,
        key=lambda move: (move.created, move.amount_minor, move.currency, move.exchange_rate or 0.0, move.category),
    )


def sort_movements(movements: list[Movement]) -> Sorted:
    """Tell withdrawals, reinstatements and conversions apart: by sign, size and reporting category.

    A conversion is small against the largest withdrawal in its settlement currency. A positive movement that Stripe
    calls a reversal is one whatever its size; a large one is one whatever Stripe calls it.
    """
    largest: dict[str, int] = {}
    for move in movements:
        largest[move.currency] = max(largest.get(move.currency, 0), -move.amount_minor)

    def is_conversion(move: Movement) -> bool:
        small = abs(move.amount_minor) <= CONVERSION_SHARE * largest[move.currency]
        return small and not (move.amount_minor > 0 and move.category == _REVERSAL)

    conversions = [move for move in movements if move.amount_minor and is_conversion(move)]
    return Sorted(
        withdrawn=[move for move in movements if move.amount_minor < 0 and not is_conversion(move)],
        reinstated=[move for move in movements if move.amount_minor > 0 and not is_conversion(move)],
        conversions=conversions,
    )


def money_of(movements: list[Movement], amount_minor: int, currency: str) -> Money:
    """Add up the movements of a dispute over ``amount_minor`` of the charge's ``currency``."""
    currency = currency.lower()
    moved = sort_movements(movements)
    withdrawals, reinstatements = moved.withdrawn, moved.reinstated
    rates = [_rate(move, currency) for move in (*withdrawals, *reinstatements)]
    known_rates = [rate for rate in rates if rate is not None]
    instants = (
        withdrawals[0].created if withdrawals else None,
        withdrawals[-1].created if withdrawals else None,
        reinstatements[-1].created if reinstatements else None,
    )
    if len(known_rates) < len(rates):
        withdrawn, reinstated = (
            float(-sum(m.amount_minor for m in withdrawals)),
            float(sum(m.amount_minor for m in reinstatements)),
        )
        problem = _order_problem(withdrawals, reinstatements) or ("fx_unknown" if reinstatements else None)
        fraction = 0.0 if withdrawals and not reinstatements else None
        return Money(movements[0].currency, int(withdrawn), int(reinstated), fraction, problem, *instants)
    withdrawn_parts = [-move.amount_minor / rate for move, rate in zip(withdrawals, known_rates, strict=False)]
    reinstated_parts = [
        move.amount_minor / rate for move, rate in zip(reinstatements, known_rates[len(withdrawals) :], strict=True)
    ]
    withdrawn, reinstated = math.fsum(withdrawn_parts), math.fsum(reinstated_parts)
    tolerance = max(0.5, math.fsum(0.5 / rate for rate in known_rates)) * (1 + 1e-12)
    lost, gained = _conversions(moved, currency)
    # a part of the reversal that is as small as a conversion may be one as well
    surplus = math.fsum(part for part in reinstated_parts if part <= CONVERSION_SHARE * withdrawn)
    problem = _order_problem(withdrawals, reinstatements)
    if problem is None and len(withdrawals) > 1 and withdrawn > amount_minor + tolerance:
        problem = "second_withdrawal"
    if problem is None and reinstated > withdrawn + max(lost, surplus) + tolerance:
        problem = "more_reinstated"
    fraction = (
        None if problem or not withdrawals else _share(reinstated, withdrawn, gained + tolerance, bool(reinstatements))
    )
    return Money(currency, int(round_half_up(withdrawn)), int(round_half_up(reinstated)), fraction, problem, *instants)


def _rate(move: Movement, currency: str) -> float | None:
    """Settlement units for one unit of the charge's currency; a null rate is 1 within one currency."""
    if move.exchange_rate is not None:
        return move.exchange_rate
    return 1.0 if move.currency == currency else None


def _conversions(moved: Sorted, currency: str) -> tuple[float, float]:
    """What conversions lost and gained, in the charge's currency; one without a rate has the first withdrawal's."""
    usual = _rate(moved.withdrawn[0], currency) if moved.withdrawn else None
    amounts = [move.amount_minor / (_rate(move, currency) or usual or 1.0) for move in moved.conversions]
    return -math.fsum(min(0.0, amount) for amount in amounts), math.fsum(max(0.0, amount) for amount in amounts)


def _order_problem(withdrawn: list[Movement], reinstated: list[Movement]) -> str | None:
    """Problems that no rate can explain away."""
    if reinstated and not withdrawn:
        return "no_withdrawal"
    if reinstated and withdrawn[-1].created > reinstated[0].created:
        return "second_withdrawal"
    return None


def _share(reinstated: float, withdrawn: float, tolerance: float, any_back: bool) -> float:
    """The share that came back; roundings, and conversions that gained the rest, do not make a partial win."""
    if not any_back:
        return 0.0
    return 1.0 if reinstated >= withdrawn - tolerance else reinstated / withdrawn
