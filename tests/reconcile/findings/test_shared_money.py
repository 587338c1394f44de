"""Each unit of money has one owner."""

from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.night_findings import plain_findings
from billing_dq.reconcile.findings.shared_money import Claimant, owed_units, owners, owning_again
from tests.support.finding_rows import deltas, disputes, evidence, violation, violations, week
from tests.support.ledger_rows import NIGHT, ORG
from tests.support.report_night import finding, findings

#: From the owner of the money to who only tells of it.
CHAIN = ("duplicate_session", "duplicate_ref", "sign", "meter_extras_drift", "meter_extras_divergence")
losses = st.lists(st.tuples(st.integers(1, 10**6), st.sets(st.sampled_from(CHAIN), min_size=1)), max_size=12)


@given(losses, st.randoms())
def test_the_owners_add_up_to_the_distinct_losses_in_whatever_order_the_findings_stand(drawn, random) -> None:
    claimants = [
        Claimant(f"{place}-{name}", f"org{place}", name, float(units), (f"loss {place}",))
        for place, (units, names) in enumerate(drawn)
        for name in names
    ]
    random.shuffle(claimants)
    shared = owners(claimants)
    assert sum(claimant.units for claimant in claimants if claimant.finding_id not in shared) == sum(
        units for units, _ in drawn
    )
    assert not set(shared.values()) & set(shared)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from((-1, 1)))
def test_a_balance_that_is_off_by_what_an_entry_moved_is_the_entrys_money(moved: int, off: int, sign: int) -> None:
    entry = Claimant("entry", ORG, "sign", float(moved))
    balance = Claimant("balance", ORG, "cached_balance", float(sign * off))
    assert owners([balance, entry]) == ({"balance": "entry"} if moved == off else {})
    assert owners([balance, entry._replace(organization_id="another")]) == {}


def test_who_tells_the_money_of_one_that_shares_its_own_names_the_owner_of_all() -> None:
    copy = Claimant("copy", ORG, "duplicate_ref", -5.0, ("entry",))
    small_week = Claimant("week", ORG, "meter_extras_divergence", -5.0, ("entry", "drift"))
    balance = Claimant("balance", ORG, "cached_balance", 5.0)
    assert owners([balance, small_week, copy]) == {"week": "copy", "balance": "copy"}


def test_two_findings_of_one_place_own_their_money_each() -> None:
    halves = [
        Claimant(name, ORG, name, 500.0, ("units of ch_1",))
        for name in ("dispute_clawback_missing", "refund_clawback_missing")
    ]
    assert owners(halves) == {}
    elsewhere = Claimant("elsewhere", "another", "topup_in_another_ledger", 1000.0, ("units of ch_1",))
    assert set(owners([*halves, elsewhere]).values()) == {"elsewhere"}


def told(inputs: FindingInputs) -> dict[str, tuple[float, float, int]]:
    """By kind: the size of a finding, its own units and its cents."""
    found = plain_findings(inputs, NIGHT, 1000.0, "R.md")
    columns = found.assign(own=owed_units(found))[["kind", "units", "own", "usd_cents"]]
    return {kind: (units, own, cents) for kind, units, own, cents in columns.itertuples(index=False, name=None)}


def test_a_credit_of_wrong_units_that_leaves_units_due_is_told_once() -> None:
    wrong = {"kind": "dispute_credit_wrong_units", "units": -13_000.0}
    assert told(FindingInputs(disputes=disputes(wrong, {"units": -13_000.0}))) == {
        "dispute_credit_wrong_units": (-13_000.0, 0.0, 0),
        "dispute_credit_due": (-13_000.0, -13_000.0, -1300),
    }


def copied_and_lost(units: float) -> FindingInputs:
    """A debit of 100 copied, and others of these units lost, in one week."""
    pieces = evidence(("duplicate_debit", "by_ref", -100.0), ("missing_debit", "by_key", units))
    pieces.loc[pieces["cause"] == "duplicate_debit", "entry_id"] = "copy"
    copy = violations(violation("duplicate_ref", "copy", -100.0))
    delta = deltas(week("unexplained", delta_units=units - 100.0, cause="duplicate_debit"))
    return FindingInputs(deltas=delta, evidence=pieces, violations=copy)


def test_a_copied_debit_is_the_ledgers_money_and_the_week_owns_what_else_it_lost() -> None:
    assert told(copied_and_lost(0.0)) == {
        "ledger_violation": (-100.0, -100.0, -10),
        "meter_extras_divergence": (-100.0, 0.0, 0),
    }
    assert told(copied_and_lost(300.0)) == {
        "ledger_violation": (-100.0, -100.0, -10),
        "meter_extras_divergence": (300.0, 300.0, 30),
    }


def test_a_finding_that_was_not_examined_owns_its_money_again_once_its_owner_is_resolved() -> None:
    both = findings(
        finding(1, state="resolved"),
        finding(2, units=500.0, usd_cents=0, same_money_as=f"{1:016x}"),
        finding(3, units=500.0, usd_cents=0, same_money_as=f"{2:016x}"),
    )
    again = owning_again(both, 1000.0)
    assert again["usd_cents"].tolist() == [100, 50, 0]
    assert again["same_money_as"].isna().tolist() == [True, True, False]
