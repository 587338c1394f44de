"""A dispute with everything that is known about it on both sides, before anything is decided.

Where a dispute belongs is said in docs/stripe.md, "Disputes": the organization of the charge's metadata (or its payment
intent's), else the one whose ledger holds the checkout session; where neither tells, the one whose ledger was debited
in the dispute's name.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol, cast

import numpy as np
import pandas as pd

from billing_dq.reconcile.disputes.entries import DisputeEntry, DisputeLedgers, Traces
from billing_dq.reconcile.disputes.movements import Money, money_of, movements_of
from billing_dq.reconcile.disputes.statuses import UNDECIDED
from billing_dq.units import round_half_up, units_of_cents
from billing_dq.vocabulary.references import session_livemode

_ABSENT_SESSION = "__pending__"


class PackPrice(Protocol):
    """A pack: its price in US cents, and the units it gives."""

    @property
    def price_cents(self) -> int:
        """Price in US cents."""
        ...

    @property
    def units(self) -> float:
        """Units that the pack gives."""
        ...


@dataclass(frozen=True)
class Share:
    """The part of a pack that a dispute is about: ``units`` of ``of_units``, as exact as a division makes it."""

    units: float
    of_units: float

    @property
    def rounded(self) -> float:
        """In whole units, as they are clawed back."""
        return round_half_up(self.units)

    def admits(self, clawed_back: float) -> bool:
        """Whether a clawback is this part, rounded either way."""
        return abs(clawed_back - self.units) < 1 - 1e-6


@dataclass(frozen=True)
class DisputeCase:
    """One dispute: Stripe's side, and what the ledgers say in its name.

    ``clawback``, ``credits``, ``by_hand`` (credits in its name that are not ours) and ``corrections`` are of the ledger
    of ``organization_id``; ``second_clawbacks`` and ``elsewhere`` (the dispute's name in another organization's ledger)
    are what there should not be. Units are above 0. ``topup_units`` are those of the top-up that the charge bought, 0
    where no ledger holds one: the ledger, not the price list, says what was given. ``charge_amount_minor`` is what was
    captured for it. Null where not known. ``largest_topup_units`` are those of the organization's largest purchase,
    ``sessions_livemode`` the modes that its checkout sessions tell.
    """

    dispute_id: str
    charge_id: str
    status: str
    livemode: bool
    amount_minor: int
    charge_amount_minor: int | None
    charge_currency: str
    pack_id: str | None
    is_pack: bool
    organization_id: str | None
    topup_units: float | None
    largest_topup_units: float | None
    sessions_livemode: frozenset[bool]
    money: Money
    clawback: DisputeEntry | None
    second_clawbacks: tuple[DisputeEntry, ...]
    credits: tuple[DisputeEntry, ...]
    by_hand: tuple[DisputeEntry, ...]
    corrections: tuple[DisputeEntry, ...]
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
    def units_by_hand(self) -> float:
        """Units that a person gave in its name."""
        return sum(entry.units for entry in self.by_hand)

    @property
    def of_another_mode(self) -> bool:
        """Whether the organization's ledger has a purchase of the other mode: a test dispute on a live ledger, say."""
        return (not self.livemode) in self.sessions_livemode

    @property
    def reinstated(self) -> bool:
        """Whether any money came back."""
        return self.money.reinstated_minor > 0

    @property
    def undecided(self) -> bool:
        """Whether Stripe, or an appeal, has not decided yet: whatever money moved may move back."""
        return self.status in UNDECIDED

    @property
    def to_credit_units(self) -> float:
        """Whole units to be given back in all: the clawback in proportion, all of it where that is unknown."""
        fraction = self.money.fraction
        if fraction is None:
            return float(math.floor(self.clawed_back_units))
        return float(math.floor(min(self.clawed_back_units, round_half_up(self.clawed_back_units * fraction))))

    def mistaken_units(self, dollars_to_units: float) -> frozenset[float]:
        """Units that a person credits by mistake: the dollars, the cents, the cents at the general ratio.

        The dollars only where money came back: so few units are given for many reasons, and are nearly nothing.
        """
        if self.charge_currency != "usd":
            return frozenset()
        fraction = self.money.fraction
        came_back = int(round_half_up(self.amount_minor * fraction)) if fraction else self.amount_minor
        return frozenset(
            units
            for cents in {self.amount_minor, came_back}
            for units in (
                *((cents / 100, round_half_up(cents / 100)) if self.reinstated else ()),
                float(cents),
                units_of_cents(cents, dollars_to_units),
            )
        )

    def share_of_pack(self, packs: Mapping[str, PackPrice]) -> Share | None:
        """The disputed part of what the pack gave, never more than all of it; null where it cannot be told.

        The amounts of dispute and charge are in one currency and both with tax, so their proportion is right whatever
        was paid. Without the charge's amount only the pack's price is left to compare with, and that is in USD.
        """
        pack = packs.get(self.pack_id) if self.pack_id else None
        units = self.topup_units if self.topup_units is not None else pack.units if pack else None
        charged = self.charge_amount_minor or (pack.price_cents if pack and self.charge_currency == "usd" else None)
        if not units or not charged:
            return None
        return Share(min(1.0, self.amount_minor / charged) * units, units)

    def beyond_its_pack(self, packs: Mapping[str, PackPrice]) -> bool:
        """Whether more was clawed back than the pack gave, or may be: no credit is larger than its top-up.

        Where the top-up is not known the configured pack is the bound, else the organization's largest purchase, and
        without any purchase there is nothing that a pack can have given.
        """
        pack = packs.get(self.pack_id) if self.pack_id else None
        most = self.topup_units or (pack.units if pack else None) or self.largest_topup_units or 0.0
        return self.clawed_back_units > most

    def missing_clawback_units(self, packs: Mapping[str, PackPrice], dollars_to_units: float) -> float | None:
        """Units that should have been clawed back; at the general ratio where the pack is unknown and was paid in USD,
        null where even that does not tell.
        """
        if self.topup_units == 0:
            return 0.0
        share = self.share_of_pack(packs)
        if share is not None:
            return share.rounded
        if self.charge_currency != "usd":
            return None
        most = math.inf if self.topup_units is None else self.topup_units
        return min(units_of_cents(self.amount_minor, dollars_to_units), most)


def dispute_cases(disputes: pd.DataFrame, purchases: pd.DataFrame, ledgers: DisputeLedgers) -> list[DisputeCase]:
    """One case for each row of STRIPE_DISPUTES, oldest dispute first.

    Args:
        disputes: STRIPE_DISPUTES.
        purchases: PACK_PURCHASES, to find the organization by its checkout session.
        ledgers: what the ledgers say about disputes.
    """
    sessions = disputes["stripe_session_id"].dropna()
    traces = {str(name): ledgers.of(str(name)) for name in disputes["dispute_id"]}
    clawbacks = [entry for of_dispute in traces.values() for entry in of_dispute.clawbacks]
    organizations = {*disputes["organization_id"].dropna(), *(entry.organization_id for entry in clawbacks)}
    in_session = purchases["stripe_session_id"].isin(sessions)
    organizations |= {*purchases.loc[in_session, "organization_id"]}
    bought = _Purchases(purchases[in_session | purchases["organization_id"].isin(organizations)])
    # One dispute at a time: there are hundreds at most, and each has its own lists of movements and entries.
    ordered = disputes.sort_values(["created", "dispute_id"])
    return [_case(row, bought, traces[str(row["dispute_id"])]) for row in ordered.to_dict("records")]


class _Purchases:
    """The purchases of the organizations of disputes: who bought in a session, units of a top-up, modes of sessions."""

    def __init__(self, purchases: pd.DataFrame) -> None:
        self.buyers: dict[str, list[str]] = {}
        self.largest: dict[str | None, float] = {}
        self.livemode: dict[str | None, set[bool]] = {}
        self._units: dict[tuple[str, str], float] = {}
        self._topups: dict[str, list[tuple[pd.Timestamp, float]]] = {}
        for row in purchases.itertuples():  # the few that an organization with a dispute made
            organization, session, units = str(row.organization_id), str(row.stripe_session_id), float(str(row.amount))
            self.buyers.setdefault(session, []).append(organization)
            self._topups.setdefault(organization, []).append((pd.Timestamp(str(row.at)), units))
            self.largest[organization] = max(units, self.largest.get(organization, 0.0))
            mode = session_livemode(session)
            if mode is not None:
                self.livemode.setdefault(organization, set()).add(mode)
            for name in (session, str(row.entry_id)):
                self._units.setdefault((organization, name), units)

    def units(self, organization: str | None, names: Iterable[str | None]) -> float | None:
        """Units of the first of some top-ups, each by its entry id or its session, that the organization has."""
        units = (self._units.get((organization, name)) for name in names if organization and name)
        return next((number for number in units if number is not None), None)

    def delivered(self, organization: str | None, session: str | None, opened: pd.Timestamp) -> float | None:
        """Units that a disputed pack gave, of which no clawback tells; 0 where it was never delivered.

        A session that stands in another organization's ledger was delivered there. Without a session only an
        organization that had bought nothing tells: it was given nothing.
        """
        if session:
            return next((self._units[name, session] for name in self.buyers.get(session, ())), 0.0)
        bought = [units for at, units in self._topups.get(organization or "", ()) if at <= opened]
        return 0.0 if organization and not bought else None


def _case(row: Mapping[Hashable, object], bought: _Purchases, traces: Traces) -> DisputeCase:
    named = [*traces.clawbacks, *traces.credits]
    pack_id, session = _text(row["pack_id"]), _text(row["stripe_session_id"])
    session = None if session == _ABSENT_SESSION else session
    organization = _text(row["organization_id"]) or _only(bought.buyers.get(session, []) if session else [])
    organization = organization or _only([entry.organization_id for entry in named])
    in_its_name = [*named, *traces.by_hand]
    clawbacks = [entry for entry in traces.clawbacks if entry.organization_id == organization]
    units = bought.units(organization, [*(entry.topup_id for entry in clawbacks[:1]), session])
    if units is None and not clawbacks:
        units = bought.delivered(organization, session, pd.Timestamp(str(row["created"])))
    amount, currency = int(str(row["amount_minor"])), str(row["currency"]).lower()
    paid = row.get("charge_amount_minor")  # a night stored by an earlier release has none
    return DisputeCase(
        dispute_id=str(row["dispute_id"]),
        charge_id=str(row["charge_id"]),
        status=str(row["status"]),
        livemode=bool(row["livemode"]),
        amount_minor=amount,
        charge_amount_minor=int(paid) if isinstance(paid, Integral) else None,
        charge_currency=currency,
        pack_id=pack_id,
        is_pack=bool(pack_id or session or named),
        organization_id=organization,
        topup_units=units,
        largest_topup_units=bought.largest.get(organization),
        sessions_livemode=frozenset(bought.livemode.get(organization, ())),
        money=money_of(movements_of(_cells(row["movements"])), amount, currency),
        clawback=clawbacks[0] if clawbacks else None,
        second_clawbacks=tuple(clawbacks[1:]),
        credits=tuple(entry for entry in traces.credits if entry.organization_id == organization),
        by_hand=tuple(entry for entry in traces.by_hand if entry.organization_id == organization),
        corrections=tuple(entry for entry in traces.corrections if entry.organization_id == organization),
        elsewhere=tuple(entry for entry in in_its_name if entry.organization_id != organization),
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
