"""The money of a dispute: what was withdrawn, what came back, and in which proportion (STRIPE.md, "Disputes").

Movements are in the settlement currency, the dispute in the charge's. Everything is compared in the charge's currency,
so that a rate that moved between the two days does not look like a partial win.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from numbers import Real

import pandas as pd

from billing_dq.units import round_half_up


@dataclass(frozen=True)
class Movement:
    """One balance transaction of a dispute, without its fee: negative is withdrawn, positive reinstated."""

    amount_minor: int
    currency: str
    exchange_rate: float | None
    created: datetime


@dataclass(frozen=True)
class Money:
    """What the movements of one dispute add up to.

    Amounts are positive minor units of ``currency``: the charge's where every rate is known, else the settlement's.
    ``fraction`` is the share of the withdrawn money that came back: 0 where none did, 1 where all did but for
    roundings, null where nothing was withdrawn or ``problem`` says why it is not known: `fx_unknown`, `no_withdrawal`,
    `more_reinstated` or `second_withdrawal`.
    """

    currency: str
    withdrawn_minor: int
    reinstated_minor: int
    fraction: float | None
    problem: str | None
    first_withdrawal: datetime | None
    last_withdrawal: datetime | None


def movements_of(cells: Iterable[Mapping[str, object]]) -> list[Movement]:
    """The movements in a cell of STRIPE_DISPUTES, by time, withdrawals first where the time is the same."""
    found: list[Movement] = []
    for cell in cells:  # one dispute's few movements
        amount, rate, created = cell["amount_minor"], cell["exchange_rate"], cell["created"]
        if not isinstance(amount, Real) or not isinstance(created, datetime):
            raise TypeError(f"a movement needs an amount and a time, not {amount!r} and {created!r}")
        ratio = float(rate) if isinstance(rate, Real) else math.nan
        instant = pd.Timestamp(created)
        found.append(
            Movement(
                amount_minor=int(float(amount)),
                currency=str(cell["currency"]).lower(),
                exchange_rate=ratio if math.isfinite(ratio) and ratio > 0 else None,
                created=instant.tz_localize("UTC") if instant.tzinfo is None else instant.tz_convert("UTC"),
            )
        )
    # every field counts, so that movements of one instant do not stand in the order in which they were listed
    return sorted(found, key=lambda move: (move.created, move.amount_minor, move.currency, move.exchange_rate or 0.0))


def money_of(movements: list[Movement], amount_minor: int, currency: str) -> Money:
    """Add up the movements of a dispute over ``amount_minor`` of the charge's ``currency``."""
    currency = currency.lower()
    out = [move for move in movements if move.amount_minor < 0]
    back = [move for move in movements if move.amount_minor > 0]
    rates = [_rate(move, currency) for move in (*out, *back)]
    known = [rate for rate in rates if rate is not None]
    first, last = (out[0].created, out[-1].created) if out else (None, None)
    if len(known) < len(rates):
        withdrawn, reinstated = float(-sum(m.amount_minor for m in out)), float(sum(m.amount_minor for m in back))
        problem = _order_problem(out, back) or ("fx_unknown" if back else None)
        fraction = 0.0 if out and not back else None
        return Money(movements[0].currency, int(withdrawn), int(reinstated), fraction, problem, first, last)
    withdrawn = math.fsum(-move.amount_minor / rate for move, rate in zip(out, known, strict=False))
    reinstated = math.fsum(move.amount_minor / rate for move, rate in zip(back, known[len(out) :], strict=True))
    tolerance = max(0.5, math.fsum(0.5 / rate for rate in known)) * (1 + 1e-12)
    problem = _order_problem(out, back)
    if problem is None and len(out) > 1 and withdrawn > amount_minor + tolerance:
        problem = "second_withdrawal"
    if problem is None and reinstated > withdrawn + tolerance:
        problem = "more_reinstated"
    fraction = None if problem or not out else _share(reinstated, withdrawn, tolerance, bool(back))
    return Money(
        currency, int(round_half_up(withdrawn)), int(round_half_up(reinstated)), fraction, problem, first, last
    )


def _rate(move: Movement, currency: str) -> float | None:
    """Settlement units for one unit of the charge's currency; a null rate is 1 within one currency."""
    if move.exchange_rate is not None:
        return move.exchange_rate
    return 1.0 if move.currency == currency else None


def _order_problem(out: list[Movement], back: list[Movement]) -> str | None:
    """Problems that no rate can explain away."""
    if back and not out:
        return "no_withdrawal"
    if back and out[-1].created > back[0].created:
        return "second_withdrawal"
    return None


def _share(reinstated: float, withdrawn: float, tolerance: float, any_back: bool) -> float:
    """The share that came back; roundings of half a minor unit for each movement do not make a partial win."""
    if not any_back:
        return 0.0
    return 1.0 if abs(reinstated - withdrawn) <= tolerance else reinstated / withdrawn
