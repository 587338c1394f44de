"""Bought packs, and what becomes of them: refunds, disputes, clawbacks and credits."""

from dataclasses import dataclass

from billing_dq.units import round_half_up
from billing_dq_simulation.clock import DAY, HOUR, MINUTE, SECOND, next_daily
from billing_dq_simulation.company.application import Entry
from billing_dq_simulation.company.timeline import WEBHOOK, Timeline
from billing_dq_simulation.company.traits import Traits
from billing_dq_simulation.config import PACKS, Pack
from billing_dq_simulation.labels import Document

_PACKS_BY_DEMAND = ("pack_s", "pack_s", "pack_m", "pack_m", "pack_x", "pack_l")
#: Trouble, a dispute, at full trouble: a movement for the conversion of currencies.
_CONVERTED = 0.4


@dataclass
class Purchase:
    """A bought pack."""

    pack: Pack
    at: int
    charge: Document
    topup: Entry
    refunded: bool = False


@dataclass
class Dispute:
    """A dispute of a purchase, with what the ledger has of it."""

    purchase: Purchase
    stripe: Document
    clawback: Entry | None = None
    credit: Entry | None = None
    reinstated_at: int | None = None

    @property
    def id(self) -> str:
        """The dispute's id."""
        return str(self.stripe["id"])


class Shop:
    """What an organization buys."""

    def __init__(self, timeline: Timeline, traits: Traits) -> None:
        self._line = timeline
        self._traits = traits
        self.purchases: list[Purchase] = []
        self.disputes: list[Dispute] = []

    def plan(self, first_plan: str) -> None:
        """Draw the purchases."""
        random, line = self._line.random, self._line
        likely = 0.3 if first_plan == "free" else 0.22
        while random.random() < likely:
            pack = PACKS[random.choice(_PACKS_BY_DEMAND)]
            at = line.moment(random)
            named_on = random.choices(("intent", "both", "intent_only", "neither"), (50, 35, 8, 7))[0]
            line.push(at, self._buy, pack, named_on, random.random(), random.random(), random.randint(1, 11) * DAY)

    def buy(self, pack: Pack, named_on: str = "both") -> Purchase:
        """A pack is paid for and topped up."""
        line = self._line
        session_id = line.ids.session()
        charge = line.account.buy(line.now - WEBHOOK, pack, session_id, named_on)
        subscription = line.application.subscription
        if subscription is not None and subscription["plan"] == "free" and "stripeCustomerId" not in subscription:
            subscription["stripeCustomerId"] = charge["customer"]
        expires = None if pack.expiry_days is None else line.now + pack.expiry_days * DAY
        topup = line.application.top_up_pack(line.now, pack.units, session_id, expires)
        purchase = Purchase(pack, line.now, charge, topup)
        self.purchases.append(purchase)
        line.hear("checkout.session.completed")
        if expires is not None:
            self.plan_sweep(topup, expires)
        return purchase

    def _buy(self, pack: Pack, named_on: str, draw: float, choice: float, wait: int) -> None:
        line = self._line
        purchase = self.buy(pack, named_on)
        if line.application.quota and pack.units > 4 * line.application.quota:
            return  # a clawback of it could be more than a runaway balance may be
        if draw < 0.06:
            line.push(line.now + wait, self._refund, purchase, choice < 0.3)
        elif draw < 0.16:
            line.push(line.now + wait, self._dispute, purchase, choice, wait)

    def plan_sweep(self, topup: Entry, expires: int) -> None:
        """Have what is left of a top-up removed after its expiry."""
        line = self._line
        # A sweep comes late now and then, but within 48 hours.
        sweep = next_daily(max(expires, line.begin), 2)
        if str(topup["_id"])[-1] in "01":
            sweep = next_daily(sweep, 2)
        if sweep - expires >= 2 * DAY and expires > line.begin:
            sweep = next_daily(expires, 2)
        line.push(sweep, self._sweep, topup)

    def _sweep(self, topup: Entry) -> None:
        self._line.application.sweep(self._line.now, topup)

    def _refund(self, purchase: Purchase, half: bool) -> None:
        line = self._line
        cents = purchase.pack.price_cents // 2 if half else purchase.pack.price_cents
        refund_id = line.account.refund(line.now - WEBHOOK, purchase.charge, cents)
        purchase.refunded = True
        units = round_half_up(cents / purchase.pack.price_cents * purchase.pack.units)
        ref_id = f"refund-{refund_id}-{purchase.topup['_id']}"
        line.application.refund(line.now, purchase.topup, units, ref_id)
        line.hear("charge.refunded")

    # Disputes

    def open(self, purchase: Purchase, status: str, share: float = 1.0) -> Dispute:
        """A dispute of a purchase, or of a share of it, without movement yet."""
        line = self._line
        dispute = Dispute(purchase, line.account.dispute(line.now - WEBHOOK, purchase.charge, status, share))
        self.disputes.append(dispute)
        return dispute

    def _dispute(self, purchase: Purchase, choice: float, wait: int) -> None:
        line = self._line
        inquiry = choice < 0.12
        dispute = self.open(purchase, "warning_under_review" if inquiry else "under_review")
        if inquiry:
            if choice < 0.06:
                line.push(line.now + wait, self._decide, dispute, "warning_closed")
            return
        euros = choice > 0.85
        self.withdraw(dispute, *((0.92, "eur") if euros else (None, "usd")))
        if not euros:
            self.plan_conversion(dispute)
        decided = line.now + wait
        if choice < 0.35:
            line.push(decided, self._decide, dispute, "lost")
        elif choice > 0.45:
            by_hand = choice < 0.6 and purchase.pack.name == "pack_s"
            credited = decided + (26 if by_hand else 6) * HOUR
            if credited <= line.end:
                line.push(decided, self.win, dispute, euros)
                line.push(credited, self.credit, dispute, by_hand)

    def plan_conversion(self, dispute: Dispute) -> None:
        """Some per cent may be gained or lost by the conversion, minutes or days after the withdrawal."""
        if not self._traits.happens(_CONVERTED):
            return
        random = self._traits.random
        cents = max(1, int(dispute.purchase.pack.price_cents * random.uniform(0.01, 0.03)))
        signed = cents * random.choice((-1, 1))
        after = random.choice((2 * MINUTE, random.randint(1, 100) * HOUR))

        def convert() -> None:
            self._line.mark("conversion")
            self._line.account.convert(self._line.now, dispute.stripe, signed)

        self._line.push(self._line.now + after, convert)

    def withdraw(self, dispute: Dispute, rate: float | None = None, currency: str = "usd") -> None:
        """Stripe takes the disputed money, and the ledger is clawed back in the pack's units."""
        line = self._line
        cents = int(dispute.stripe["amount"])  # type: ignore[call-overload]
        line.account.move(line.now - WEBHOOK, dispute.stripe, -int(round_half_up(cents * (rate or 1))), currency, rate)
        line.hear("charge.dispute.funds_withdrawn")
        if dispute.id in line.changes.crashes.lost or "dispute" in line.changes.crashes.lost:
            return
        pack = dispute.purchase.pack
        self.claw_back(dispute, round_half_up(cents / 100 / (pack.price_cents / 100) * pack.units))

    def claw_back(self, dispute: Dispute, units: float) -> None:
        """Units are taken back for a dispute, under one of the two spellings of its reference."""
        line, topup = self._line, dispute.purchase.topup
        old = line.now // SECOND % 7 == 0
        ref_id = f"dispute_{dispute.id}" if old else f"refund-dispute_{dispute.id}-{topup['_id']}"
        entry = line.application.refund(line.now, topup, units, ref_id)
        dispute.clawback = dispute.clawback or entry

    def claw_back_again(self, dispute: Dispute) -> None:
        """The same units are taken a second time, under the other spelling."""
        first, topup = dispute.clawback, dispute.purchase.topup
        if first is None:
            return
        old, new = f"dispute_{dispute.id}", f"refund-dispute_{dispute.id}-{topup['_id']}"
        units = -float(first["amount"])  # type: ignore[arg-type]
        self._line.application.refund(self._line.now, topup, units, new if first["refId"] == old else old)

    def _decide(self, dispute: Dispute, status: str) -> None:
        dispute.stripe["status"] = status

    def win(self, dispute: Dispute, euros: bool = False) -> None:
        """Stripe decides for the merchant, and the money comes back."""
        line = self._line
        dispute.stripe["status"] = "won"
        dispute.reinstated_at = line.now
        cents = int(dispute.stripe["amount"])  # type: ignore[call-overload]
        rate = 0.95 if euros else None
        reinstated = int(round_half_up(cents * (rate or 1)))
        line.account.move(line.now, dispute.stripe, reinstated, "eur" if euros else "usd", rate)
        line.hear("charge.dispute.funds_reinstated")

    def credit(self, dispute: Dispute, by_hand: bool) -> None:
        """The units of a won dispute are given back, by a person or by billing_dq."""
        if dispute.clawback is None:
            return
        line = self._line
        units = -float(dispute.clawback["amount"])  # type: ignore[arg-type]
        ref_id = f"dispute-credit-{line.ids.uuid()}" if by_hand else f"dispute_reinstate_{dispute.id}"
        dispute.credit = line.application.adjust(line.now, ref_id, units)
