"""Faults of bought packs, money against units (docs/stripe.md, "The account of a purchase"), and what looks like them.

A pack without expiry is bought in the last weeks and topped up as the application does it; what goes wrong with it
follows a day later. A fault says what a night must find, by its own arithmetic; a false friend has nothing to find.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from bson import ObjectId

from billing_dq_simulation.clock import DAY, HOUR, MINUTE, SECOND, to_datetime
from billing_dq_simulation.company.application import Entry
from billing_dq_simulation.company.purchases import Purchase
from billing_dq_simulation.company.story import Changes, Dispute, Story
from billing_dq_simulation.config import PACKS, Pack
from billing_dq_simulation.faults.cases import Case, Documents
from billing_dq_simulation.labels import Document, Label, SimulatedOrganization

Outcome = SimulatedOrganization | None


@dataclass
class _Sale:
    """A pack that was bought: its charge, and its top-up where there is one."""

    story: Story
    pack: Pack
    session: str
    charge: Document
    topup: Entry | None

    @property
    def charge_id(self) -> str:
        return str(self.charge["id"])

    @property
    def units(self) -> float:
        return float(self.pack.units)

    def refund(self, cents: int, units: float | None = None, ref_id: str | None = None) -> str:
        """A refund at Stripe; with units, its entry in the ledger too."""
        before = int(str(self.charge["amount_refunded"]))
        refund_id = self.story.account.refund(self.story.now, self.charge, cents)
        self.charge.update(amount_refunded=before + cents)
        if units is not None:
            self.take(units, ref_id or f"refund-{refund_id}-{self.delivered['_id']}")
        return refund_id

    def put_session(self, payment_status: str, **fields: object) -> None:
        """Its checkout session at Stripe."""
        session: Document = {
            "id": self.session,
            "object": "checkout.session",
            "amount_total": self.pack.price_cents,
            "created": int(str(self.charge["created"])),
            "currency": "usd",
            "livemode": True,
            "metadata": {"organizationId": str(self.story.organization_id), "packId": self.pack.name},
            "payment_intent": None,
            "payment_status": payment_status,
            "status": "complete",
        }
        self.story.account.objects.setdefault("checkout/sessions", []).append(session | fields)

    def take(self, units: float, ref_id: str) -> None:
        """Units are taken back."""
        self.story.application.refund(self.story.now, self.delivered, units, ref_id)

    def old_ref(self, cents: int) -> str:
        """The reference of a refund as older versions built it."""
        return f"refund-{self.session}-{cents}-{self.delivered['_id']}"

    def lose_dispute(self, clawback: float | None) -> None:
        """All of what was captured is disputed and lost."""
        cents = int(str(self.charge["amount_captured"]))
        dispute = self.story.account.dispute(self.story.now, self.charge, "lost")
        dispute["amount"] = cents
        self.story.account.move(self.story.now, dispute, -cents)
        if clawback is not None:
            purchase = Purchase(self.pack, self.story.now, self.charge, self.delivered)
            self.story.shop.claw_back(Dispute(purchase, dispute), clawback)

    @property
    def delivered(self) -> Entry:
        """Its top-up."""
        if self.topup is None:
            raise RuntimeError("the pack was never delivered")
        return self.topup


def _sold(
    case: Case,
    tell: Callable[[_Sale], None] = lambda sale: None,
    units: Callable[[Pack], float | None] = lambda pack: pack.units,
    named_on: str = "both",
    days: tuple[int, int] = (4, 20),
) -> tuple[Story, _Sale] | None:
    """The organization's life with one more pack, bought so many days ago and told on the next day."""
    born, end, now = case.story.born, case.story.end, case.random.randint(*days)
    at = end - now * DAY + case.random.randint(1, 20) * HOUR
    choices = [pack for pack in PACKS.values() if not case.quota or pack.units <= 3 * case.quota]
    if at < born + HOUR or not choices or (case.quota and not case.steady_plan):
        return None
    pack = case.random.choice(choices)
    sales: list[_Sale] = []

    def sell(story: Story) -> None:
        session = story.ids.session()
        charge, given = story.account.buy(at, pack, session, named_on), units(pack)
        topup = None if given is None else story.application.top_up_pack(at + 2 * SECOND, given, session, None)
        sales.append(_Sale(story, pack, session, charge, topup))

    story = case.replay(Changes(happenings=[(at, sell), (at + DAY, lambda story: tell(sales[0]))]))
    return story, sales[0]


def _end(
    case: Case, told: tuple[Story, _Sale] | None, kind: str, units: Callable[[_Sale], float], cause: str | None = None
) -> Outcome:
    """The organization with the one label of a charge."""
    if told is None:
        return None
    story, sale = told
    return case.end(story, [case.label(kind, sale.charge_id, units(sale), cause)])


def _sound(case: Case, told: tuple[Story, _Sale] | None) -> Outcome:
    return None if told is None else case.end(told[0], [])


# Units that the pack does not give, or that nobody paid


def topup_of_cents(case: Case) -> Outcome:
    """The pack's cents are given as if they were units."""
    told = _sold(case, units=lambda pack: pack.price_cents)
    return _end(case, told, "topup_wrong_units", lambda sale: sale.pack.price_cents - sale.units)


def topup_of_another_pack(case: Case) -> Outcome:
    """Another pack's units are given."""
    other = PACKS["pack_m"]
    told = _sold(case, units=lambda pack: PACKS["pack_s"].units if pack is other else other.units)
    units = {True: PACKS["pack_s"].units, False: other.units}
    return _end(case, told, "topup_wrong_units", lambda sale: units[sale.pack is other] - sale.units)


def _another_ledger(organization: ObjectId, sale: _Sale, at: int) -> Callable[[Documents], None]:
    topup = {
        "_id": ObjectId(f"{at // SECOND:08x}{str(organization)[8:]}"),
        "kind": "topup",
        "amount": sale.pack.units,
        "stripeSessionId": sale.session,
        "at": to_datetime(at),
    }
    balance = {"_id": organization, "organization": organization, "ledger": [topup], "cachedBalance": sale.pack.units}

    def edit(documents: Documents) -> None:
        documents["organizations"].append({"_id": organization, "plan": "free"})
        documents["billingextrabalances"].append(balance)

    return edit


def _elsewhere(case: Case, told: tuple[Story, _Sale] | None, kinds: tuple[str, ...]) -> Outcome:
    if told is None:
        return None
    story, sale = told
    if story.application.balance is None:  # an organization without a ledger may have been merged into the other
        return None
    other = ObjectId(f"{story.born // SECOND:08x}{case.random.getrandbits(64):016x}")
    labels: list[Label] = []
    for kind in kinds:
        mine = kind == "pack_without_topup"
        subject = sale.session if kind == "session_in_two_ledgers" else sale.charge_id
        label = case.label(kind, subject, -sale.units if mine else sale.units)
        labels.append(label if mine else replace(label, organization_id=str(other)))
    return case.end(story, labels, _another_ledger(other, sale, story.end - 3 * DAY))


def topup_in_another_ledger(case: Case) -> Outcome:
    """The pack that one organization paid is given to another."""
    told = _sold(case, units=lambda pack: None)
    return _elsewhere(case, told, ("pack_without_topup", "topup_in_another_ledger"))


def session_in_two_ledgers(case: Case) -> Outcome:
    """A pack is given to who paid it, and to another organization as well."""
    return _elsewhere(case, _sold(case), ("session_in_two_ledgers",))


def topup_of_failed_payment(case: Case) -> Outcome:
    """A bank debit fails days after its session was completed and topped up."""
    told = _sold(case, lambda sale: sale.charge.update(status="failed", paid=False, captured=False))
    return _end(case, told, "topup_without_payment", lambda sale: sale.units, "failed")


def topup_of_test_mode(case: Case) -> Outcome:
    """A session of test mode is topped up in the live database."""
    sessions: list[str] = []

    def test(sale: _Sale) -> None:
        sessions.append(sale.session.replace("cs_live_", "cs_test_"))
        sale.story.application.top_up_pack(sale.story.now, sale.pack.units, sessions[0], None)

    told = _sold(case, test)
    if told is None:
        return None
    return case.end(told[0], [case.label("topup_without_payment", sessions[0], told[1].units, "test_mode")])


def topup_of_no_charge(case: Case) -> Outcome:
    """Units are given for a session of which Stripe has no charge."""
    told = _sold(case, lambda sale: sale.story.account.objects["charges"].remove(sale.charge))
    if told is None:
        return None
    label = case.label("topup_payment_unknown", told[1].session, told[1].units)
    return case.end(told[0], [replace(label, undecided=True)])


def topup_of_unpaid_session(case: Case) -> Outcome:
    """A checkout session expires unpaid, and its units are given."""

    def unpaid(sale: _Sale) -> None:
        sale.put_session("unpaid", status="expired")
        sale.story.account.objects["charges"].remove(sale.charge)

    told = _sold(case, unpaid)
    if told is None:
        return None
    return case.end(told[0], [case.label("topup_without_payment", told[1].session, told[1].units, "unpaid")])


# Refunds


def refund_without_clawback(case: Case) -> Outcome:
    """The event of a refund comes without its list of refunds: nothing is taken back; some packs are months old."""
    half = case.random.random() < 0.4
    days = case.random.choice(((4, 20), (40, 60)))
    named_on = case.random.choice(("both", "intent", "intent_only", "neither"))
    told = _sold(case, lambda sale: _refund_part(sale, half), named_on=named_on, days=days)
    return _end(case, told, "refund_clawback_missing", lambda sale: sale.units / 2 if half else sale.units)


def _refund_part(sale: _Sale, half: bool) -> None:
    sale.refund(sale.pack.price_cents // 2 if half else sale.pack.price_cents)


def refund_of_a_nameless_charge(case: Case) -> Outcome:
    """Only its checkout session leads to a charge, which was refunded without clawback."""

    def refund(sale: _Sale) -> None:
        sale.put_session("paid", payment_intent=sale.charge["payment_intent"])
        _refund_part(sale, half=False)

    told = _sold(case, refund, named_on="intent_only")
    if told is not None:
        _forget_names(told[1])
    return _end(case, told, "refund_clawback_missing", lambda sale: sale.units)


def _forget_names(sale: _Sale) -> None:
    """The payment intent, too, names nothing."""
    for intent in sale.story.account.objects["payment_intents"]:
        if intent["id"] == sale.charge["payment_intent"]:
            intent.update(metadata={})


def refund_took_all_for_a_part(case: Case) -> Outcome:
    """Half of the money goes back, and all units are taken."""
    told = _sold(case, lambda sale: _take_for(sale, sale.pack.price_cents // 2, sale.units))
    return _end(case, told, "refund_clawback_wrong_units", lambda sale: -sale.units / 2)


def _take_for(sale: _Sale, cents: int, units: float) -> None:
    sale.refund(cents, units)


def refund_took_the_sum_for_the_newest(case: Case) -> Outcome:
    """Of two refunds of a half the second takes what both add up to."""

    def refund(sale: _Sale) -> None:
        sale.refund(sale.pack.price_cents // 2, sale.units / 2)
        sale.refund(sale.pack.price_cents // 2, sale.units)

    return _end(case, _sold(case, refund), "refund_clawback_wrong_units", lambda sale: -sale.units / 2)


def refund_clawed_back_twice(case: Case) -> Outcome:
    """A refund takes its units under the old reference, and under the new one."""

    def refund(sale: _Sale) -> None:
        sale.refund(sale.pack.price_cents, sale.units)
        sale.take(sale.units, sale.old_ref(sale.pack.price_cents))

    return _end(case, _sold(case, refund), "refund_clawed_back_twice", lambda sale: -sale.units)


def refund_unknown_at_stripe(case: Case) -> Outcome:
    """Units are taken for a refund that was never made."""
    refund_id = f"re_{case.random.getrandbits(80):020x}"
    told = _sold(case, lambda sale: sale.take(sale.units, f"refund-{refund_id}-{sale.delivered['_id']}"))
    if told is None:
        return None
    return case.end(told[0], [case.label("refund_unknown_at_stripe", refund_id, -told[1].units)])


def refund_and_dispute_overlap(case: Case) -> Outcome:
    """A refunded pack is disputed and lost, and both take all of its units."""

    def both(sale: _Sale) -> None:
        sale.refund(sale.pack.price_cents, sale.units)
        sale.lose_dispute(sale.units)

    return _end(case, _sold(case, both), "refund_and_dispute_overlap", lambda sale: -sale.units)


def lost_after_a_refund_in_part(case: Case) -> Outcome:
    """Half of a pack is refunded and taken back; all of it is disputed and lost, and nothing is taken for that."""

    def lose(sale: _Sale) -> None:
        sale.refund(sale.pack.price_cents // 2, sale.units / 2)
        sale.lose_dispute(None)

    told = _sold(case, lose)
    if told is None:
        return None
    story, sale = told
    dispute = next(one for one in story.account.objects["disputes"] if one["charge"] == sale.charge_id)
    return case.end(story, [case.label("dispute_clawback_missing", str(dispute["id"]), sale.units / 2)])


def old_clawback_of_no_refund(case: Case) -> Outcome:
    """Units of a pack of long ago are taken under the older reference, and no refund was ever made."""
    told = _sold(case, lambda sale: sale.take(sale.units, sale.old_ref(sale.pack.price_cents)), days=(40, 60))
    if told is None:
        return None
    return case.end(told[0], [case.label("refund_unknown_at_stripe", told[1].session, -told[1].units)])


def pack_expires_before_it_is_bought(case: Case) -> Outcome:
    """Seconds are written as the milliseconds of the expiry, and the sweep of the next day takes the pack."""
    packs: list[Entry] = []

    def sell_and_sweep(sale: _Sale) -> None:
        story, session = sale.story, sale.story.ids.session()
        story.account.buy(story.now, sale.pack, session, "both")
        packs.append(story.application.top_up_pack(story.now, sale.pack.units, session, story.now // SECOND))
        story.push(story.now + DAY, story.application.sweep, story.now + DAY, packs[0])

    told = _sold(case, sell_and_sweep)
    if told is None:
        return None
    sweep = told[0].application.sweeps[f"expire-{packs[0]['_id']}"]
    taken = float(str(sweep["amount"]))
    return case.end(told[0], [case.label("ledger_violation", str(sweep["_id"]), taken, "expiry_before_purchase")])


# False friends


def captured_in_part_and_lost(case: Case) -> Outcome:
    """Less was captured than authorized, all of it is disputed and lost, and all units are taken."""

    def lose(sale: _Sale) -> None:
        cents = sale.pack.price_cents
        sale.charge.update(amount=cents * 2, amount_captured=cents, amount_refunded=cents)
        sale.lose_dispute(sale.units)

    return _sound(case, _sold(case, lose))


def lost_and_never_delivered(case: Case) -> Outcome:
    """A pack that was never delivered is disputed and lost: the money is back, and there is nothing to take."""
    return _sound(case, _sold(case, lambda sale: sale.lose_dispute(None), units=lambda pack: None))


def lost_after_a_refund(case: Case) -> Outcome:
    """A refunded pack, whose units were taken back, is disputed and lost: there is nothing left to take."""

    def lose(sale: _Sale) -> None:
        sale.refund(sale.pack.price_cents, sale.units)
        sale.lose_dispute(None)

    return _sound(case, _sold(case, lose))


def refunded_and_never_delivered(case: Case) -> Outcome:
    """A pack that was never delivered is refunded."""
    return _sound(case, _sold(case, lambda sale: _refund_part(sale, half=False), units=lambda pack: None))


def paid_at_the_second_attempt(case: Case) -> Outcome:
    """A card is declined, and another one pays for the same session."""

    def decline(sale: _Sale) -> None:
        declined = sale.story.account.buy(sale.story.now - DAY - MINUTE, sale.pack, sale.session, "both")
        declined.update(status="failed", paid=False, captured=False)

    return _sound(case, _sold(case, decline))


def bank_debit_under_way(case: Case) -> Outcome:
    """A bank debit is not decided yet, and its units are given."""
    return _sound(case, _sold(case, lambda sale: sale.charge.update(status="pending", paid=False, captured=False)))


def refunded_in_parts(case: Case) -> Outcome:
    """Two refunds of a half take half of the units each, or the second takes for both."""
    late = case.random.random() < 0.5

    def refund(sale: _Sale) -> None:
        half = sale.pack.price_cents // 2
        sale.refund(half, None if late else sale.units / 2)
        sale.refund(half, sale.units if late else sale.units / 2)

    return _sound(case, _sold(case, refund))


def refunded_by_a_third(case: Case) -> Outcome:
    """A refund of a third is rounded either way."""
    rounded = case.random.choice((math.floor, math.ceil))

    def refund(sale: _Sale) -> None:
        cents = sale.pack.price_cents // 3
        sale.refund(cents, float(rounded(cents * sale.pack.units / sale.pack.price_cents)))

    return _sound(case, _sold(case, refund))


def refunded_before_its_event(case: Case) -> Outcome:
    """A pack is refunded minutes before the night, and the event is under way."""
    told = _sold(case)
    if told is None:
        return None
    story, sale = told
    story.now = story.end - 20 * MINUTE
    _refund_part(sale, half=False)
    return case.end(story, [])


def refund_made_anew(case: Case) -> Outcome:
    """A refund fails before anything is taken, and the one in its place takes the units."""

    def refund(sale: _Sale) -> None:
        sale.refund(sale.pack.price_cents)
        sale.story.account.objects["refunds"][-1].update(status="failed")
        sale.charge.update(amount_refunded=0)
        sale.refund(sale.pack.price_cents, sale.units)

    return _sound(case, _sold(case, refund))


def pack_of_a_full_coupon(case: Case) -> Outcome:
    """A coupon of 100 % leaves nothing to pay: there is no charge, and the units are right."""

    def free(sale: _Sale) -> None:
        sale.put_session("no_payment_required", amount_total=0)
        sale.story.account.objects["charges"].remove(sale.charge)

    return _sound(case, _sold(case, free))


def paid_by_a_nameless_charge(case: Case) -> Outcome:
    """Neither charge nor payment intent was patched; the checkout session leads to them."""

    def pay(sale: _Sale) -> None:
        sale.put_session("paid", payment_intent=sale.charge["payment_intent"])

    told = _sold(case, pay, named_on="intent_only")
    if told is not None:
        _forget_names(told[1])
    return _sound(case, told)


def pack_sold_with_a_bonus(case: Case) -> Outcome:
    """A pack gave other units for some days: two customers of those days have them."""

    def sell_another(sale: _Sale) -> None:
        session = sale.story.ids.session()
        sale.story.account.buy(sale.story.now, sale.pack, session, "both")
        sale.story.application.top_up_pack(sale.story.now + SECOND, sale.pack.units + 130, session, None)

    return _sound(case, _sold(case, sell_another, units=lambda pack: pack.units + 130))


FAULTS = (
    topup_of_cents,
    topup_of_another_pack,
    topup_in_another_ledger,
    session_in_two_ledgers,
    topup_of_failed_payment,
    topup_of_test_mode,
    topup_of_no_charge,
    topup_of_unpaid_session,
    refund_of_a_nameless_charge,
    refund_without_clawback,
    refund_took_all_for_a_part,
    refund_took_the_sum_for_the_newest,
    refund_clawed_back_twice,
    refund_unknown_at_stripe,
    refund_and_dispute_overlap,
    lost_after_a_refund_in_part,
    old_clawback_of_no_refund,
    pack_expires_before_it_is_bought,
)
FALSE_FRIENDS = (
    captured_in_part_and_lost,
    lost_and_never_delivered,
    lost_after_a_refund,
    refunded_and_never_delivered,
    paid_at_the_second_attempt,
    bank_debit_under_way,
    refunded_in_parts,
    refunded_by_a_third,
    refunded_before_its_event,
    refund_made_anew,
    pack_of_a_full_coupon,
    paid_by_a_nameless_charge,
    pack_sold_with_a_bonus,
)
