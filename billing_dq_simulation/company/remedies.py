"""What people do to a ledger by hand, rightly, as the runbooks say; and what older versions left in it.

Each leaves a ledger in which nothing is owed any more: a night may have no finding of it. One it may have, a copy of a
debit that was credited: the copy stays in the ledger, and only people can say that they know of it.
"""

from billing_dq_simulation.clock import DAY, HOUR, WEEK
from billing_dq_simulation.company.purchases import Dispute, Purchase, Shop
from billing_dq_simulation.company.timeline import Timeline
from billing_dq_simulation.company.traits import Traits
from billing_dq_simulation.config import DOLLARS_TO_UNITS, PACKS

#: At full trouble, an organization.
_MANY_CREDITS, _GOODWILL, _GOODWILL_TAKEN_BACK, _COPY = 0.012, 0.05, 0.02, 0.02
_SECOND_CLAWBACK, _SURPLUS, _PARTIAL, _LEGACY = 0.03, 0.02, 0.03, 0.3
#: Cents that are no pack's price, nor do two of them add up to one.
_GOODWILL_CENTS = (37, 41, 53, 59, 61, 67, 73)
#: The pack whose ratio is the general one, so that a credit in cents gives back its units to the unit.
_EVEN_PACK = PACKS["pack_s"]
_UNITS_OF_CENT = DOLLARS_TO_UNITS // 100


class Remedies:
    """The corrections in one organization's ledger.

    Attributes:
        copied: the key of a debit whose copy was credited.
    """

    def __init__(self, timeline: Timeline, traits: Traits, shop: Shop) -> None:
        self._line = timeline
        self._random = traits.random
        self._happens = traits.happens
        self._shop = shop
        self.copied: str | None = None

    def plan(self, pays: bool) -> None:
        """Draw the corrections; an organization that pays for a plan has none that could make a runaway."""
        for rate, action in ((_GOODWILL, self._give_goodwill), (_GOODWILL_TAKEN_BACK, self._take_goodwill_back)):
            if self._happens(rate):
                units = float(self._random.choice(_GOODWILL_CENTS) * _UNITS_OF_CENT)
                self._line.push(self._line.moment(self._random), action, units)
        if self._happens(_COPY):
            self._line.push(self._line.moment(self._random), self._copy_a_debit)
        if self._happens(_LEGACY):
            self._plan_legacy_expiration()
        if pays:
            return
        if self._happens(_MANY_CREDITS):
            for _ in range(self._random.randint(11, 14)):
                self._plan_dispute(self._win)
        for rate, action in (
            (_SECOND_CLAWBACK, self._claw_back_twice_and_credit),
            (_SURPLUS, self._credit_twice_and_take_back),
            (_PARTIAL, self._lose_a_part),
        ):
            if self._happens(rate):
                self._plan_dispute(action)

    # Credits

    def _credit(self, units: float) -> None:
        """The application's own credit by hand, which takes cents at the general ratio."""
        self._line.application.adjust(self._line.now, f"dispute-credit-{self._line.ids.uuid()}", units)

    def _give_goodwill(self, units: float) -> None:
        self._line.mark("goodwill")
        self._credit(units)

    def _take_goodwill_back(self, units: float) -> None:
        """There is no tool that takes units back: a person writes a `refund` entry."""
        self._give_goodwill(units)
        self._line.push(self._line.now + 5 * HOUR, self._correct, units, str(self._line.ids.uuid()))

    def _correct(self, units: float, name: str) -> None:
        self._line.mark("correction")
        application = self._line.application
        application.lots.debit(units, self._line.now)
        application.write(self._line.now, "refund", -units, {"refId": f"correction-{name}"})

    def _copy_a_debit(self) -> None:
        """A debit is written twice, and the copy is credited a day later."""
        line, application = self._line, self._line.application
        whole = [key for key, entry in application.debits.items() if entry["amount"] == -application.due.get(key, 0)]
        even = [key for key in whole if application.due[key] % _UNITS_OF_CENT == 0]
        if not even or line.now + DAY > line.end - HOUR:
            return
        self.copied = even[-1]
        units = application.due[self.copied]
        application.lots.debit(units, line.now)
        application.write(line.now, "debit", -units, {"refId": self.copied})
        line.push(line.now + DAY, self._credit, units)
        line.mark("copy_credited")

    # Disputes

    def _plan_dispute(self, tell) -> None:
        line = self._line
        last = line.end - 5 * DAY
        first = max(line.begin, line.born + HOUR)
        if first < last:
            line.push(first + int(self._random.random() * (last - first)), self._buy_and_dispute, tell)

    def _buy_and_dispute(self, tell) -> None:
        purchase = self._shop.buy(_EVEN_PACK)
        self._line.push(self._line.now + DAY, tell, purchase)

    def _withdrawn(self, purchase: Purchase, share: float = 1.0) -> Dispute:
        dispute = self._shop.open(purchase, "under_review", share)
        self._shop.withdraw(dispute)
        self._shop.plan_conversion(dispute)
        self._line.mark("dispute")
        return dispute

    def _later(self, days: int, action, *arguments: object) -> None:
        self._line.push(self._line.now + days * DAY, action, *arguments)

    def _win(self, purchase: Purchase) -> None:
        dispute = self._withdrawn(purchase)
        self._later(1, self._shop.win, dispute)
        self._later(2, self._shop.credit, dispute, True)

    def _claw_back_twice_and_credit(self, purchase: Purchase) -> None:
        dispute = self._withdrawn(purchase)
        self._shop.claw_back_again(dispute)
        self._later(1, self._lose, dispute)
        self._later(2, self._credit, float(purchase.pack.units))

    def _credit_twice_and_take_back(self, purchase: Purchase) -> None:
        dispute = self._withdrawn(purchase)
        self._later(1, self._shop.win, dispute)
        self._later(2, self._shop.credit, dispute, False)
        self._later(3, self._credit, float(purchase.pack.units))
        self._later(4, self._correct, float(purchase.pack.units), dispute.id)

    def _lose_a_part(self, purchase: Purchase) -> None:
        """Half of a charge is disputed and lost: half of the units are taken."""
        self._later(1, self._lose, self._withdrawn(purchase, 0.5))

    def _lose(self, dispute: Dispute) -> None:
        dispute.stripe["status"] = "lost"

    # What older versions left

    def _plan_legacy_expiration(self) -> None:
        """A pack that expired before the night's weeks, of which all was taken though a part was spent."""
        line = self._line
        bought = line.begin - 4 * WEEK - self._random.randrange(WEEK)
        if bought < line.born + DAY:
            return
        units = self._random.randint(100, 900)
        key = f"{(bought + HOUR) // 1000:08x}{self._random.getrandbits(64):016x}:initial"
        line.push(bought, self._buy_and_overspend, key, units)

    def _buy_and_overspend(self, key: str, units: int) -> None:
        line = self._line
        application, pack, bought = line.application, _EVEN_PACK, line.now
        session_id = line.ids.session()
        line.account.buy(bought - 2000, pack, session_id, "both")
        expires = bought + 14 * DAY
        topup = application.top_up_pack(bought, pack.units, session_id, expires)
        line.push(bought + 2 * HOUR, self._spend, key, units)
        identity = topup["_id"]
        line.push(expires + 3 * HOUR, self._take_all, identity, float(pack.units))

    def _spend(self, key: str, units: int) -> None:
        self._line.application.lots.debit(units, self._line.now)
        self._line.application.write(self._line.now, "debit", -units, {"refId": key})

    def _take_all(self, identity, units: float) -> None:
        line = self._line
        taken = line.application.lots.expire(identity)
        line.application.lots.refund(identity, units - taken, line.now)
        line.application.write(line.now, "expiration", -units, {"refId": f"expire-{identity}"})
