"""A dispute with everything that is known about it on both sides, before anything is decided.

Where a dispute belongs is STRIPE.md's, "Disputes": the organization of the charge's metadata (or its payment
intent's), else the one whose ledger holds the checkout session; where neither tells, the one whose ledger was debited
in the dispute's name.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import pandas as pd

from billing_dq.reconcile.disputes.entries import DisputeEntry, DisputeLedgers
from billing_dq.reconcile.disputes.hand_credits import Claim
from billing_dq.reconcile.disputes.movements import Money, money_of, movements_of
from billing_dq.units import round_half_up, units_of_cents, units_of_pack_cents

_ABSENT_SESSION = "__pending__"


class PackPrice(Protocol):
    """A pack: its price in US cents, and the units it gives."""

    @property
    def price_cents(self) -> int: ...
    @property
    def units(self) -> float: ...


@dataclass(frozen=True)
class DisputeCase:
    """One dispute: Stripe's side, and what the ledgers say in its name.

    ``clawback`` and ``credits`` are of the ledger of ``organization_id``; ``second_clawbacks`` and ``elsewhere`` (the
    dispute's name in another organization's ledger) are what there should not be. Units are above 0.
    """

    dispute_id: str
    charge_id: str
    status: str
    livemode: bool
    amount_minor: int
    charge_currency: str
    pack_id: str | None
    is_pack: bool
    organization_id: str | None
    money: Money
    clawback: DisputeEntry | None
    second_clawbacks: tuple[DisputeEntry, ...]
    credits: tuple[DisputeEntry, ...]
    elsewhere: tuple[DisputeEntry, ...]

    @property
    def clawed_back_units(self) -> float:
        """Units of the first clawback."""
        return self.clawback.units if self.clawback else 0.0

    @property
    def own_credit_units(self) -> float:
        """Units that this system gave back."""
        return sum(entry.units for entry in self.credits)

    @property
    def reinstated(self) -> bool:
        """Whether any money came back."""
        return self.money.reinstated_minor > 0

    @property
    def to_credit_units(self) -> float:
        """Units to be given back in all: the clawback in proportion, and all of it where the proportion is unknown."""
        fraction = self.money.fraction
        if fraction is None:
            return self.clawed_back_units
        return min(self.clawed_back_units, round_half_up(self.clawed_back_units * fraction))

    def mistaken_units(self, dollars_to_units: float) -> frozenset[float]:
        """Units that a person credits by mistake: the dollars, the cents, the cents at the general ratio."""
        if self.charge_currency != "usd":
            return frozenset()
        fraction = self.money.fraction
        came_back = int(round_half_up(self.amount_minor * fraction)) if fraction else self.amount_minor
        return frozenset(
            units
            for cents in {self.amount_minor, came_back}
            for units in (
                cents / 100,
                round_half_up(cents / 100),
                float(cents),
                units_of_cents(cents, dollars_to_units),
            )
        )

    def claim(self, dollars_to_units: float) -> Claim | None:
        """The dispute as the reading of hand-given credits sees it; none where nothing was clawed back."""
        if self.clawback is None:
            return None
        owed = max(0.0, self.to_credit_units - self.own_credit_units)
        right = frozenset((owed, self.to_credit_units, self.clawed_back_units))
        since = self.money.first_withdrawal or self.clawback.at
        return Claim(self.dispute_id, since, owed, right | self.mistaken_units(dollars_to_units))

    def expected_clawback_units(self, packs: Mapping[str, PackPrice], dollars_to_units: float) -> float:
        """Units that should have been clawed back, at the pack's own ratio where the pack is known."""
        pack = packs.get(self.pack_id) if self.pack_id else None
        if pack is None:
            return units_of_cents(self.amount_minor, dollars_to_units)
        return units_of_pack_cents(self.amount_minor, pack.price_cents, pack.units)


def dispute_cases(disputes: pd.DataFrame, purchases: pd.DataFrame, ledgers: DisputeLedgers) -> list[DisputeCase]:
    """One case for each row of STRIPE_DISPUTES, oldest dispute first.

    Args:
        disputes: STRIPE_DISPUTES.
        purchases: PACK_PURCHASES, to find the organization by its checkout session.
        ledgers: what the ledgers say about disputes.
    """
    bought = purchases[purchases["stripe_session_id"].isin(disputes["stripe_session_id"].dropna())]
    buyers: dict[str, list[str]] = {}
    for session, organization in zip(bought["stripe_session_id"], bought["organization_id"], strict=True):
        buyers.setdefault(str(session), []).append(str(organization))
    # One dispute at a time: there are hundreds at most, and each has its own lists of movements and entries.
    ordered = disputes.sort_values(["created", "dispute_id"])
    return [_case(row, buyers, ledgers) for row in ordered.to_dict("records")]


def _case(row: Mapping[Hashable, object], buyers: Mapping[str, list[str]], ledgers: DisputeLedgers) -> DisputeCase:
    dispute_id = str(row["dispute_id"])
    traces = ledgers.of(dispute_id)
    named = [*traces.clawbacks, *traces.credits]
    pack_id, session = _text(row["pack_id"]), _text(row["stripe_session_id"])
    session = None if session == _ABSENT_SESSION else session
    organization = _text(row["organization_id"]) or _only(buyers.get(session, []) if session else [])
    organization = organization or _only([entry.organization_id for entry in named])
    clawbacks = [entry for entry in traces.clawbacks if entry.organization_id == organization]
    amount, currency = int(str(row["amount_minor"])), str(row["currency"]).lower()
    return DisputeCase(
        dispute_id=dispute_id,
        charge_id=str(row["charge_id"]),
        status=str(row["status"]),
        livemode=bool(row["livemode"]),
        amount_minor=amount,
        charge_currency=currency,
        pack_id=pack_id,
        is_pack=bool(pack_id or session or named),
        organization_id=organization,
        money=money_of(movements_of(_cells(row["movements"])), amount, currency),
        clawback=clawbacks[0] if clawbacks else None,
        second_clawbacks=tuple(clawbacks[1:]),
        credits=tuple(entry for entry in traces.credits if entry.organization_id == organization),
        elsewhere=tuple(entry for entry in named if entry.organization_id != organization),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _only(names: list[str]) -> str | None:
    """The one name there is; several tell no more than none."""
    return names[0] if len(set(names)) == 1 else None


def _cells(value: object) -> list[dict[str, object]]:
    """The movements of a row: a list as the source makes it, an array as Parquet gives it back."""
    if isinstance(value, list | np.ndarray):
        return list(cast(Iterable[dict[str, object]], value))
    raise TypeError("the movements of a dispute are a list of mappings")
