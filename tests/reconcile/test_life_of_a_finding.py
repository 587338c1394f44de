"""The life of a finding about a week, night after night, after the week has left the window (docs/tables.md)."""

from datetime import timedelta

import pandas as pd

from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.ageing import NOT_LOOKED_AT
from billing_dq.reconcile.findings.quarantine import documents_of
from billing_dq.reconcile.findings.standing import is_accepted
from billing_dq.reconcile.followed_weeks import weeks_to_follow
from billing_dq.reconcile.inputs import ApplicationTables, Earlier
from billing_dq.reconcile.night import reconcile_night
from billing_dq.storage.followed import Followed
from billing_dq.tables import ACCEPTANCES, FINDINGS, QUARANTINED_DOCUMENTS, UNREADABLE_KEYS
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.plain import plain_frames
from tests.support.pure_night import sample_settings
from tests.support.remedies import AS_OF, ORGANIZATION, Company, company, day, entry

#: The week that loses a debit of 100 units; nights of 2026-W47 cover it, those of W50 do not.
WEEK, LOST = "2026-W46", "2026-W46-c:initial"
NO_DOCUMENTS = documents_of(QUARANTINED_DOCUMENTS.empty(), UNREADABLE_KEYS.empty())


class Nights:
    """Nights of one company, each told what the one before left."""

    def __init__(self, world: Company) -> None:
        self.world = world
        self.findings: pd.DataFrame | None = None
        self.acceptances = ACCEPTANCES.empty()
        self.followed = Followed().weeks
        self.key = ""

    def take(self, days: int, **settings: object) -> pd.Series:
        """The night so many days after `AS_OF`; the one finding about the week."""
        chosen, as_of = sample_settings(**settings), AS_OF + timedelta(days=days)
        weeks = NightWeeks(as_of, chosen.weeks_back, chosen.settling_hours)
        known = FINDINGS.empty() if self.findings is None else self.findings
        known = with_acceptances(known, known, self.acceptances, self.key)
        self.followed = weeks_to_follow(known, NO_DOCUMENTS, self.followed, weeks, chosen.follow_weeks)
        frames = plain_frames(self.world.documents, weeks, as_of, Followed(self.followed))
        earlier = Earlier(findings=self.findings, acceptances=self.acceptances)
        self.findings = reconcile_night(ApplicationTables(weeks, frames), None, policy_of(chosen), earlier).findings
        self.key = as_of.date().isoformat()
        found = self.findings.loc[self.findings["subject"] == WEEK]
        assert len(found) == 1
        return found.iloc[0]

    def decide(self, accepted: bool, until: str | None = None) -> None:
        """A person accepts the finding about the week, or takes it back."""
        assert self.findings is not None
        decision = {"accepted": accepted, "by": "anna", "why": "known", "until": until, "at": AS_OF, "night": self.key}
        columns = [name for name in ACCEPTANCES.column_names if name in self.findings.columns]
        mine = self.findings.loc[self.findings["subject"] == WEEK, columns]
        record = ACCEPTANCES.conform(mine.assign(**decision))
        self.acceptances = pd.concat([self.acceptances, record], ignore_index=True)


def lost_debit() -> Nights:
    """A company that lost a debit, and the night that found it."""
    world = company()
    world.remove(LOST)
    nights = Nights(world)
    assert nights.take(0)["state"] == "new"
    return nights


def charge(nights: Nights) -> None:
    """The remedy of RUNBOOKS.md."""
    nights.world.push(entry("debit", -100, LOST, day(10)))


def test_a_week_behind_the_window_is_found_again_while_its_finding_is_open() -> None:
    nights = lost_debit()
    for nights_open, days in enumerate((21, 35), start=2):
        found = nights.take(days)
        assert found[["state", "units", "last_seen", "nights_open"]].tolist() == [
            "persisting",
            100.0,
            nights.key,
            nights_open,
        ]
        assert nights.followed.to_numpy().tolist() == [[str(ORGANIZATION), WEEK]]


def test_a_week_in_the_window_is_not_followed_beside() -> None:
    nights = lost_debit()
    nights.take(1)
    assert nights.followed.empty


def test_a_followed_week_that_heals_is_resolved_and_not_followed_any_more() -> None:
    nights = lost_debit()
    charge(nights)
    assert nights.take(28)["state"] == "resolved"
    assert nights.findings is not None
    weeks = NightWeeks(AS_OF + timedelta(days=29), 3, 6)
    assert weeks_to_follow(nights.findings, NO_DOCUMENTS, nights.followed, weeks, 26).empty


def test_a_charge_that_is_dated_weeks_later_makes_the_finding_one_that_needs_nobody() -> None:
    nights = lost_debit()
    nights.world.push(entry("debit", -100, LOST, AS_OF + timedelta(days=20)))
    found = nights.take(28)
    assert found[["state", "cause", "severity"]].tolist() == ["persisting", "boundary_skew", "info"]


def test_a_followed_week_that_gets_worse_is_found_with_its_new_units() -> None:
    nights = lost_debit()
    nights.world.remove("2026-W46-b:initial")
    found = nights.take(28)
    assert found[["state", "units"]].tolist() == ["persisting", 400.0]


def test_nothing_but_the_followed_week_is_looked_at_behind_the_window() -> None:
    nights = lost_debit()
    nights.world.remove("2026-W45-c:initial")  # nobody was told of this in time
    nights.take(28)
    assert nights.findings is not None
    assert nights.findings["subject"].tolist() == [WEEK]


def test_nights_missed_for_weeks_change_nothing() -> None:
    nights, after_a_gap = lost_debit(), lost_debit()
    for days in range(1, 60, 6):
        nights.take(days)
    last, only = nights.take(60), after_a_gap.take(60)
    columns = [name for name in FINDINGS.column_names if name != "nights_open"]
    assert last[columns].equals(only[columns])


def test_a_night_of_fewer_weeks_follows_what_it_does_not_cover_and_one_of_more_weeks_covers_it() -> None:
    nights = lost_debit()
    assert nights.take(1, weeks_back=0)["last_seen"] == nights.key
    assert len(nights.followed) == 1
    assert nights.take(28, weeks_back=8)["last_seen"] == nights.key
    assert nights.followed.empty


def test_a_night_with_a_wider_tolerance_does_not_end_the_following() -> None:
    nights = lost_debit()
    wide = nights.take(28, tolerance={"absolute_units": 500.0, "relative": 0.5})
    assert wide[["state", "severity"]].tolist() == ["persisting", "info"]
    assert nights.take(29)[["state", "severity"]].tolist() == ["persisting", "error"]


def test_a_week_that_needs_nobody_when_it_leaves_the_window_is_not_followed() -> None:
    nights = lost_debit()
    nights.world.push(entry("debit", -100, LOST, AS_OF + timedelta(days=1)))
    assert nights.take(2)["severity"] == "info"
    nights.take(28)
    assert nights.followed.empty


def test_an_accepted_week_is_not_followed_and_says_so() -> None:
    nights = lost_debit()
    nights.decide(accepted=True)
    for days in (28, 29):
        found = nights.take(days)
        assert nights.followed.empty
        assert found[["state", "accepted_by", "last_seen"]].tolist() == ["persisting", "anna", "2026-11-21"]
        assert found["explanation"].count(NOT_LOOKED_AT) == 1


def test_an_acceptance_that_is_over_or_taken_back_has_the_week_followed_again() -> None:
    nights = lost_debit()
    nights.decide(accepted=True, until="2026-12-20")
    nights.world.remove("2026-W46-b:initial")
    assert nights.take(28)["units"] == 100
    found = nights.take(30)
    assert found[["units", "last_seen"]].tolist() == [400.0, "2026-12-21"]
    assert NOT_LOOKED_AT not in found["explanation"]
    nights.decide(accepted=True)
    assert nights.take(31)["last_seen"] == "2026-12-21"
    nights.decide(accepted=False)
    assert nights.take(32)["last_seen"] == nights.key


def test_an_acceptance_lapses_where_the_week_grows_while_it_is_in_the_window() -> None:
    nights = lost_debit()
    nights.decide(accepted=True)
    nights.world.remove("2026-W46-b:initial")
    assert nights.findings is not None
    grown = nights.take(1)
    assert grown["units"] == 400
    assert not is_accepted(nights.findings).any()


def test_a_week_older_than_follow_weeks_stays_open_and_says_that_no_night_looks_at_it() -> None:
    nights = lost_debit()
    assert nights.take(42, follow_weeks=7)["last_seen"] == nights.key
    charge(nights)
    for days in (56, 57):
        found = nights.take(days, follow_weeks=7)
        assert found[["state", "last_seen", "severity"]].tolist() == ["persisting", "2027-01-02", "error"]
        assert found["explanation"].count(NOT_LOOKED_AT) == 1
    assert nights.take(58, follow_weeks=20)["state"] == "resolved"


def test_nothing_is_left_to_say_of_an_organization_that_was_removed() -> None:
    nights = lost_debit()
    for documents in nights.world.documents.values():
        documents.clear()
    assert nights.take(28)["state"] == "resolved"


def test_a_settlement_that_lacks_its_other_side_is_followed_until_it_is_there() -> None:
    nights = Nights(company())
    nights.world.push(entry("adjustment", 40, f"settle:{WEEK}", day(12)))
    assert nights.take(0)["kind"] == "ledger_violation"
    assert nights.take(28)["last_seen"] == nights.key
    usage = nights.world.usage(WEEK)
    usage["meterUsed"] += 40
    usage["consumedAttributionKeys"].append(f"settle:{WEEK}")
    assert nights.take(29)["state"] == "resolved"
