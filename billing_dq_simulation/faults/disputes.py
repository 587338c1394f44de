"""Faults of disputed packs (docs/domain.md, "Disputes"; docs/stripe.md): each tells a dispute's life differently.

The dispute is opened a day after a purchase that has none, decided a day later and credited six hours after that.
"""

from collections.abc import Callable
from dataclasses import dataclass

from billing_dq.units import round_half_up
from billing_dq_simulation.clock import DAY, HOUR, MINUTE
from billing_dq_simulation.company.application import Crashes
from billing_dq_simulation.company.story import Changes, Dispute, Story
from billing_dq_simulation.config import DOLLARS_TO_UNITS, Pack
from billing_dq_simulation.faults.cases import Case
from billing_dq_simulation.labels import Label, SimulatedOrganization

Outcome = SimulatedOrganization | None
_LIFE = 3 * DAY
_WRONG_UNITS = "dispute_clawback_wrong_units"


@dataclass
class _Script:
    """A dispute told step by step; every method is one happening."""

    story: Story
    dispute: Dispute

    @property
    def pack(self) -> Pack:
        return self.dispute.purchase.pack

    def at(self, instant: int) -> "_Script":
        self.story.now = instant
        return self

    def status(self, status: str) -> None:
        self.dispute.stripe["status"] = status

    def withdraw(self, rate: float | None = None, currency: str = "usd") -> None:
        self.story.withdraw(self.dispute, rate, currency)

    def reinstate(self, share: float = 1.0, rate: float | None = None, currency: str = "usd") -> None:
        self.status("won")
        cents = int(round_half_up(self.pack.price_cents * share * (rate or 1)))
        self.story.account.move(self.story.now, self.dispute.stripe, cents, currency, rate)

    def claw_back(self, units: float) -> None:
        self.story.shop.claw_back(self.dispute, units)

    def credit(self, units: float, by_hand: bool = True) -> None:
        ref_id = f"dispute-credit-{self.story.ids.uuid()}" if by_hand else f"dispute_reinstate_{self.dispute.id}"
        self.story.application.adjust(self.story.now, ref_id, units)


_Tell = Callable[[_Script, int], None]


def _told(
    case: Case,
    tell: _Tell,
    labels: list[tuple[str, Callable[[Pack], float]]],
    packs: Callable[[Pack], bool] = lambda pack: True,
    clawback: bool = True,
    share: float = 1.0,
) -> Outcome:
    """Replay a purchase's dispute as ``tell`` tells it (from the instant of its opening) and label it."""
    story = case.story
    if story.disputes or any(purchase.refunded for purchase in story.purchases):
        return None
    choices = [
        position
        for position, purchase in enumerate(story.purchases)
        if purchase.at + DAY + _LIFE < story.end
        and packs(purchase.pack)
        and (not case.quota or purchase.pack.units <= 3 * case.quota)
        and case.steady_plan
    ]
    if not choices:
        return None
    position = case.random.choice(choices)
    opened = story.purchases[position].at + DAY
    scripts: list[_Script] = []
    converted = _conversion(case, story.purchases[position].pack)

    def begin(story: Story) -> None:
        purchase = story.purchases[position]
        dispute = Dispute(purchase, story.account.dispute(opened, purchase.charge, "under_review", share))
        scripts.append(_Script(story, dispute))
        tell(scripts[0].at(opened), 0)
        if converted:
            story.account.convert(opened + 2 * MINUTE, dispute.stripe, converted)

    def later(moment: int) -> Callable[[Story], None]:
        return lambda story: tell(scripts[0], moment)

    instants = {1: opened + DAY, 2: opened + DAY + 6 * HOUR, 3: opened + 2 * DAY}
    changes = Changes(
        Crashes() if clawback else Crashes(lost={"dispute"}),
        happenings=[(opened, begin), *((at, later(moment)) for moment, at in instants.items())],
    )
    replayed = case.replay(changes)
    pack, dispute_id = scripts[0].pack, scripts[0].dispute.id
    found = [_label(case, kind, dispute_id, units(pack)) for kind, units in labels]
    # what else a dispute is labelled with tells the same units
    return case.end(replayed, [*found[:1], *(label.without_money() for label in found[1:])])


def _conversion(case: Case, pack: Pack) -> int:
    """Cents that the conversion of currencies gains or loses beside the dispute; in a world of natural trouble."""
    if not case.config.trouble or case.random.random() < 0.5:
        return 0
    return case.random.choice((-1, 1)) * max(1, int(pack.price_cents * 0.02))


def _label(case: Case, kind: str, dispute_id: str, units: float) -> Label:
    return case.label(kind, dispute_id, units)


def _nothing(pack: Pack) -> float:
    return 0.0


def _all_owed(pack: Pack) -> float:
    return -float(pack.units)


def _all_free(pack: Pack) -> float:
    return float(pack.units)


def clawback_missing(case: Case) -> Outcome:
    """Money is withdrawn and no unit is taken back: the top-up was not found."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.status("lost")

    return _told(case, tell, [("dispute_clawback_missing", _all_free)], clawback=False)


def clawed_back_twice(case: Case) -> Outcome:
    """The units are taken back under both spellings of the reference."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
            script.story.shop.claw_back_again(script.dispute)
        elif moment == 1:
            script.status("lost")

    return _told(case, tell, [("dispute_clawed_back_twice", _all_owed)])


def clawback_all_for_a_part(case: Case) -> Outcome:
    """Half of the charge is disputed, and the units of the whole are taken."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
            script.claw_back(script.pack.units)
        elif moment == 1:
            script.status("lost")

    labels: list[tuple[str, Callable[[Pack], float]]] = [(_WRONG_UNITS, lambda pack: -pack.units / 2)]
    return _told(case, tell, labels, clawback=False, share=0.5)


def clawback_cents_for_units(case: Case) -> Outcome:
    """The dispute's cents are taken as if they were units."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
            script.claw_back(script.pack.price_cents)
        elif moment == 1:
            script.status("lost")

    labels: list[tuple[str, Callable[[Pack], float]]] = [(_WRONG_UNITS, lambda pack: pack.units - pack.price_cents)]
    return _told(case, tell, labels, clawback=False)


def reinstated_without_clawback(case: Case) -> Outcome:
    """Money comes back for units that were never taken."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.reinstate()

    return _told(case, tell, [("dispute_reinstated_without_clawback", _nothing)], clawback=False)


def credit_due(case: Case) -> Outcome:
    """Money comes back and nobody gives the units back."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.reinstate()

    return _told(case, tell, [("dispute_credit_due", _all_owed)])


def credited_twice_by_hand(case: Case) -> Outcome:
    """Two people give the units back, with different request ids."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.reinstate()
        else:
            script.credit(script.pack.units)

    return _told(case, tell, [("dispute_credited_twice", _all_free)])


def credited_twice_by_system_and_hand(case: Case) -> Outcome:
    """This system and a person give the units back."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.reinstate()
        else:
            script.credit(script.pack.units, by_hand=moment == 3)

    return _told(case, tell, [("dispute_credited_twice", _all_free)])


def _wrong_units(
    case: Case, units: Callable[[Pack], float], packs: Callable[[Pack], bool] = lambda pack: True
) -> Outcome:
    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.reinstate()
        elif moment == 2:
            script.credit(units(script.pack))

    def off(pack: Pack) -> float:
        return units(pack) - pack.units

    labels: list[tuple[str, Callable[[Pack], float]]] = [("dispute_credit_wrong_units", off)]
    short = _told(case, tell, [("dispute_credit_due", off), *labels], lambda pack: packs(pack) and off(pack) < 0)
    return short or _told(case, tell, labels, lambda pack: packs(pack) and off(pack) > 0)


def credit_in_cents(case: Case) -> Outcome:
    """A credit given by hand of the dispute's cents, as if they were units."""
    return _wrong_units(case, lambda pack: pack.price_cents)


def credit_in_dollars(case: Case) -> Outcome:
    """A credit given by hand of the dispute's dollars, as if they were units."""
    return _wrong_units(case, lambda pack: pack.price_cents / 100)


def _general(pack: Pack) -> float:
    return round_half_up(pack.price_cents / 100 * DOLLARS_TO_UNITS)


def credit_at_general_ratio_short(case: Case) -> Outcome:
    """A credit given by hand at the general ratio, where the pack gave more."""
    return _wrong_units(case, _general, lambda pack: pack.units > _general(pack))


def credit_at_general_ratio_long(case: Case) -> Outcome:
    """A credit given by hand at the general ratio, where the pack gave less."""
    return _wrong_units(case, _general, lambda pack: pack.units < _general(pack))


def credit_without_reinstatement(case: Case) -> Outcome:
    """The dispute is lost and the units are given back all the same."""
    by_hand = case.random.random() < 0.5

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.status("lost")
        elif moment == 2:
            script.credit(script.pack.units, by_hand)

    return _told(case, tell, [("dispute_credit_without_reinstatement", _all_free)])


def second_withdrawal(case: Case) -> Outcome:
    """After the win an appeal takes the money again."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.reinstate()
        elif moment == 2:
            script.credit(script.pack.units, by_hand=False)
        else:
            script.status("appeal_under_review")
            script.story.account.move(script.story.now, script.dispute.stripe, -script.pack.price_cents)

    return _told(case, tell, [("dispute_second_withdrawal", _nothing)])


def partial_reinstatement(case: Case) -> Outcome:
    """Half of the money comes back, and nobody gives half of the units back."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw()
        elif moment == 1:
            script.reinstate(0.5)

    return _told(case, tell, [("dispute_credit_due", lambda pack: -pack.units / 2)])


def cross_currency_without_rates(case: Case) -> Outcome:
    """Money moves in two settlement currencies, and Stripe tells no rate."""

    def tell(script: _Script, moment: int) -> None:
        if moment == 0:
            script.withdraw(currency="eur")
        elif moment == 1:
            script.reinstate(currency="usd")

    return _told(case, tell, [("dispute_parked", _nothing)])
