"""Every fault of a dispute in one company, each told apart, and nothing said about the sound ones."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.support.dispute_rows import PACKS, World, by_hand, clawback, dispute, entry, moved, own_credit
from tests.support.examples import examples

Entries = list[dict[str, object]]
Told = list[tuple[str, float]]


class Scene:
    """One dispute of one organization: of a pack, with its movements, entries and what must be found."""

    def __init__(self, number: int, pack: str) -> None:
        self.name, self.organization, self.pack = f"du_{number}x", f"{number:024x}", pack
        self.cents, self.units = PACKS[pack].price_cents, PACKS[pack].units
        self.won = [moved(-self.cents), moved(self.cents, 21)]
        self.lost = [moved(-self.cents)]

    def clawed(self, units: float | None = None) -> dict[str, object]:
        return clawback(self.name, units or self.units, organization=self.organization)

    def own(self, units: float | None = None) -> dict[str, object]:
        return own_credit(self.name, units or self.units, organization=self.organization)

    def hand(self, units: float, request: str = "a") -> dict[str, object]:
        return by_hand(units, request=f"{self.organization}-{request}", organization=self.organization)

    def short(self, units: float) -> tuple[list[dict[str, object]], Entries, Told]:
        """Won, and credited in a wrong amount: what is short is due as well, what is right is no finding."""
        gap = units - self.units
        told: Told = [("dispute_credit_wrong_units", gap)] if gap else []
        return self.won, [self.clawed(), self.hand(units)], told + ([("dispute_credit_due", gap)] if gap < 0 else [])


Fault = Callable[[Scene], tuple[list[dict[str, object]], Entries, Told]]

FAULTS: dict[str, Fault] = {
    "sound_lost": lambda s: (s.lost, [s.clawed()], []),
    "sound_own": lambda s: (s.won, [s.clawed(), s.own()], []),
    "sound_by_hand": lambda s: (s.won, [s.clawed(), s.hand(s.units)], []),
    "sound_and_a_gift": lambda s: (s.won, [s.clawed(), s.own(), s.hand(777)], []),
    "clawback_missing": lambda s: (s.lost, [], [("dispute_clawback_missing", s.units)]),
    "without_clawback": lambda s: (s.won, [], [("dispute_reinstated_without_clawback", 0.0)]),
    "clawed_twice": lambda s: (
        s.lost,
        [s.clawed(), entry(f"dispute_{s.name}", -s.units, 2, s.organization)],
        [("dispute_clawed_back_twice", -s.units)],
    ),
    "credit_missing": lambda s: (s.won, [s.clawed()], [("dispute_credit_due", -s.units)]),
    "half_missing": lambda s: (
        [moved(-s.cents), moved(s.cents // 2, 21)],
        [s.clawed()],
        [("dispute_credit_due", -s.units / 2)],
    ),
    "both": lambda s: (s.won, [s.clawed(), s.own(), s.hand(s.units)], [("dispute_credited_twice", s.units)]),
    "two_requests": lambda s: (
        s.won,
        [s.clawed(), s.hand(s.units), s.hand(s.units, "b")],
        [("dispute_credited_twice", s.units)],
    ),
    "dollars": lambda s: s.short(s.cents / 100),
    "cents": lambda s: s.short(float(s.cents)),
    "general_ratio": lambda s: s.short(s.cents * 10.0),
    "credit_before_reinstatement": lambda s: (
        s.lost,
        [s.clawed(), s.hand(s.units)],
        [("dispute_credit_without_reinstatement", s.units)],
    ),
    "own_credit_before_reinstatement": lambda s: (
        s.lost,
        [s.clawed(), s.own()],
        [("dispute_credit_without_reinstatement", s.units)],
    ),
    "withdrawn_again": lambda s: (
        [*s.won, moved(-s.cents, 25)],
        [s.clawed(), s.own()],
        [("dispute_second_withdrawal", 0.0)],
    ),
    "a_gift_where_units_are_due": lambda s: (s.won, [s.clawed(), s.hand(777)], [("dispute_credit_due", -s.units)]),
    "a_conversion_beside_a_loss": lambda s: ([*s.lost, moved(-s.cents // 40, 0.1)], [s.clawed()], []),
    "clawed_by_cents": lambda s: (
        s.lost,
        [s.clawed(float(s.cents))],
        [("dispute_clawback_wrong_units", s.units - s.cents)],
    ),
    "clawed_back_too_much": lambda s: (
        s.lost,
        [s.clawed(s.units + 500)],
        [("dispute_clawback_wrong_units", -500.0)],
    ),
    "clawed_twice_and_given_back": lambda s: (
        s.won,
        [s.clawed(), entry(f"dispute_{s.name}", -s.units, 2, s.organization), s.own(), s.hand(s.units)],
        [],
    ),
    "credited_twice_and_taken_back": lambda s: (
        s.won,
        [s.clawed(), s.own(), s.hand(s.units), entry(f"correction-{s.name}", -s.units, 25, s.organization)],
        [],
    ),
    "lost_with_the_money_back": lambda s: (s.won, [s.clawed()], [("dispute_parked", -s.units)]),
    "open_with_the_money_back": lambda s: (s.won, [s.clawed()], []),
}

STATUS = {"lost_with_the_money_back": "lost", "open_with_the_money_back": "appeal_under_review"}

CASES = st.lists(st.tuples(st.sampled_from(sorted(FAULTS)), st.sampled_from(sorted(PACKS))), max_size=12)


def check(cases: list[tuple[str, str]]) -> None:
    disputes: Entries = []
    entries: Entries = []
    expected: dict[str, Told] = {}
    for number, (fault, pack) in enumerate(cases, start=1):
        scene = Scene(number, pack)
        movements, written, told = FAULTS[fault](scene)
        fields: dict[str, object] = {
            "status": STATUS.get(fault, "won"),
            "pack_id": pack,
            "amount_minor": scene.cents,
            "movements": movements,
        }
        fields |= {"organization_id": scene.organization, "stripe_session_id": f"cs_{number}"}
        disputes.append(dispute(scene.name, **fields))
        entries += written
        if told:
            expected[scene.name] = sorted(told)
    everyone = tuple(f"{number:024x}" for number in range(1, len(cases) + 1))
    found: dict[str, Told] = {}
    bought = [
        (name, f"cs_{number}", PACKS[cases[number - 1][1]].units) for number, name in enumerate(everyone, start=1)
    ]
    frame = World(disputes, entries, bought, everyone, balances=everyone).judged().findings
    for name, kind, units in zip(frame["subject"], frame["kind"], frame["units"], strict=True):
        found[name] = sorted([*found.get(name, []), (kind, units)])
    assert found == expected


def test_every_fault_of_every_pack_is_told_apart_in_one_company():
    check([(fault, pack) for fault in FAULTS for pack in PACKS])


@examples(60)
@given(CASES)
def test_one_organizations_fault_says_nothing_about_another(cases: list[tuple[str, str]]):
    check(cases)
