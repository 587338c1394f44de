"""What holds in a company in which nothing is broken, and that a world depends on its seed only."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq_simulation.clock import to_millis, week_start
from billing_dq_simulation.company.story import Story
from billing_dq_simulation.config import DEFAULT_AS_OF, WorldConfig
from billing_dq_simulation.labels import Document, SimulatedOrganization
from billing_dq_simulation.world import simulate, simulate_one
from tests.support.examples import examples

SEEDS = st.integers(min_value=0, max_value=2**32)
CLEAN = examples(40)


def bytes_of(organization: SimulatedOrganization) -> bytes:
    return bson.encode({"documents": organization.documents, "stripe": organization.stripe})


def ledgers(organization: SimulatedOrganization) -> Iterator[tuple[Document, list[Document]]]:
    for balance in organization.documents["billingextrabalances"]:
        yield balance, balance["ledger"]  # type: ignore[misc]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others():
    first, again, other = (
        [bytes_of(one) for one in simulate(WorldConfig(seed=seed, organizations=20))] for seed in (5, 5, 6)
    )
    assert first == again
    assert set(first).isdisjoint(other)


def test_an_organization_is_the_same_however_many_others_there_are():
    small = [bytes_of(one) for one in simulate(WorldConfig(organizations=10))]
    large = [bytes_of(one) for one in simulate(WorldConfig(organizations=30))]
    assert large[:10] == small
    assert bytes_of(simulate_one(WorldConfig(organizations=1), 7)) == small[7]


def test_organizations_come_one_at_a_time():
    stream = simulate(WorldConfig(organizations=10**9))
    assert len(next(stream).documents["organizations"]) == 1


def test_no_identifier_belongs_to_two_organizations():
    organizations = list(simulate(WorldConfig(organizations=400)))
    ids = [
        document["_id"] for one in organizations for documents in one.documents.values() for document in documents
    ] + [thing["id"] for one in organizations for things in one.stripe.values() for thing in things]
    assert len(ids) == len(set(ids))


@CLEAN
@given(seed=SEEDS)
def test_a_cached_balance_is_its_ledgers_sum_and_references_are_unique(seed: int):
    for one in simulate(WorldConfig(seed=seed, organizations=15)):
        for balance, ledger in ledgers(one):
            assert balance["cachedBalance"] == sum(entry["amount"] for entry in ledger)  # type: ignore[misc]
            refs = [entry["refId"] for entry in ledger if "refId" in entry]
            sessions = [e["stripeSessionId"] for e in ledger if e["kind"] == "topup" and "stripeSessionId" in e]
            assert len(refs) == len(set(refs))
            assert len(sessions) == len(set(sessions))


@CLEAN
@given(seed=SEEDS)
def test_a_ledger_is_in_time_order_with_the_signs_of_its_kinds_and_nothing_is_later_than_the_snapshot(seed: int):
    sign = {"topup": 1, "adjustment": 1, "debit": -1, "refund": -1}
    for one in simulate(WorldConfig(seed=seed, organizations=15)):
        for _, ledger in ledgers(one):
            times = [entry["at"] for entry in ledger]
            assert times == sorted(times)  # type: ignore[type-var]
            assert all(at <= DEFAULT_AS_OF for at in times)  # type: ignore[operator]
            for entry in ledger:
                amount = entry["amount"]
                if entry["kind"] == "expiration":
                    assert amount <= 0  # type: ignore[operator]
                else:
                    assert amount * sign[str(entry["kind"])] > 0  # type: ignore[operator]


@CLEAN
@given(seed=SEEDS)
def test_a_week_with_nothing_but_usage_is_debited_to_the_unit(seed: int):
    config = WorldConfig(seed=seed)
    weeks = 0
    for index in range(15):
        story = Story(config, index)
        for week in story.application.usage.values():
            if week.disturbed:
                continue
            used, quota = float(week.document["meterUsed"]), float(week.document["meterQuota"])  # type: ignore[arg-type]
            debits = story.application.debits
            debited = sum(-float(debits[key]["amount"]) for key in week.keys if key in debits)  # type: ignore[arg-type]
            if story.design is None:
                assert debited == (max(0.0, used - quota) if quota else used)
                weeks += 1
    assert weeks


@CLEAN
@given(seed=SEEDS)
def test_a_settlement_is_on_both_sides_with_one_amount_and_never_with_quota_0(seed: int):
    for one in simulate(WorldConfig(seed=seed, organizations=20)):
        charged = {
            (key, document["meterUsed"] - sum(document["meterBreakdown"].values()))  # type: ignore[attr-defined, operator]
            for document in one.documents["billingusages"]
            for key in document.get("consumedAttributionKeys", [])  # type: ignore[attr-defined]
            if key.startswith("settle:") and document["meterQuota"]  # a cancellation sets the meter to 0, not the keys
        }
        credited = {
            (entry["refId"], entry["amount"])
            for _, ledger in ledgers(one)
            for entry in ledger
            if str(entry.get("refId")).startswith("settle:")
        }
        assert charged <= credited
        reset = {str(u["weekKey"]) for u in one.documents["billingusages"] if "weekKey" in u and u["meterQuota"] == 0}
        assert all(str(key).removeprefix("settle:") in reset for key, _ in credited - charged)


@CLEAN
@given(seed=SEEDS)
def test_what_expired_two_days_ago_was_swept_once(seed: int):
    for one in simulate(WorldConfig(seed=seed, organizations=20)):
        for _, ledger in ledgers(one):
            sweeps = Counter(entry["refId"] for entry in ledger if entry["kind"] == "expiration")
            for entry in ledger:
                if "expiresAt" not in entry:
                    continue
                expired_for = DEFAULT_AS_OF - entry["expiresAt"]  # type: ignore[operator]
                swept = sweeps.pop(f"expire-{entry['_id']}", 0)
                assert swept == 1 if expired_for > timedelta(hours=48) else swept <= int(expired_for > timedelta(0))
            assert not sweeps


@CLEAN
@given(seed=SEEDS)
def test_a_key_is_in_one_week_and_a_debit_has_its_key_somewhere(seed: int):
    for one in simulate(WorldConfig(seed=seed, organizations=15)):
        keys: list[str] = []
        for document in one.documents["billingusages"]:
            keys += document.get("consumedAttributionKeys", [])  # type: ignore[arg-type]
            keys += [f"{history}:initial" for history in document.get("consumedHistoryIds", [])]  # type: ignore[attr-defined]
        assert len(keys) == len(set(keys))
        debits = {e["refId"] for _, ledger in ledgers(one) for e in ledger if e["kind"] == "debit"}
        assert debits <= set(keys)


def test_what_the_application_does_all_happens():
    kinds: Counter[str] = Counter()
    skewed = 0
    for index in range(1200):
        story = Story(WorldConfig(), index)
        kinds["by design " + str(story.design)] += 1
        for entry in story.application.ledger:
            reference = str(entry.get("refId", entry.get("source", "pack")))
            for prefix in ("settle:", "expire-", "refund-re", "refund-dispute_", "dispute_du", "dispute-credit-"):
                kinds[prefix] += reference.startswith(prefix)
            kinds["dispute_reinstate_"] += reference.startswith("dispute_reinstate_")
            if entry["kind"] == "debit":
                key = str(entry["refId"])
                start = next(week.start for week in story.application.usage.values() if key in week.keys)
                skewed += week_start(to_millis(entry["at"])) != start  # type: ignore[arg-type]
        status = story.application.subscription and story.application.subscription["status"]
        kinds[f"status {status}"] += 1
        kinds["retried"] += any(event["attempts"] for event in story.events)
        kinds["old"] += story.old_week is not None
        kinds["monthly"] += story.monthly is not None
        quotas = {week.document["meterQuota"] for week in story.application.usage.values()}
        kinds["plan changed"] += len(quotas) > 1
    wanted = [
        *("settle:", "expire-", "refund-re", "refund-dispute_", "dispute-credit-", "dispute_reinstate_"),
        *("status active", "status canceled", "status trialing", "status unpaid", "status None", "plan changed"),
        *("by design dunning", "by design plan_changed_by_hand", "retried", "old", "monthly"),
    ]
    assert [kind for kind in wanted if not kinds[kind]] == []
    assert skewed


def test_a_step_at_midnight_on_sunday_is_used_in_one_week_and_debited_in_the_next():
    found = defaultdict(int)
    for index in range(600):
        story = Story(WorldConfig(), index)
        for week in story.application.usage.values():
            for key in week.keys:
                debit = story.application.debits.get(key)
                if debit is not None:
                    found[(week_start(to_millis(debit["at"])) - week.start) // (7 * 86400_000)] += 1  # type: ignore[arg-type]
    assert set(found) == {0, 1}


def test_any_instant_and_number_of_weeks_makes_a_world():
    for as_of in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2025, 12, 29, 0, 0, 5, tzinfo=UTC)):
        for weeks in (1, 2, 53):
            config = WorldConfig(organizations=5, weeks=weeks, as_of=as_of)
            assert len(list(simulate(config))) == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"organizations": -1}, "organizations"),
        ({"weeks": 0}, "weeks"),
        ({"as_of": datetime(2026, 1, 1)}, "time zone"),
        ({"entries_per_week": -1.0}, "entries_per_week"),
        ({"faults": {"dropped_debit": 2.0}}, "dropped_debit"),
    ],
)
def test_an_impossible_world_is_refused_with_the_reason(wrong: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        WorldConfig(**wrong)  # type: ignore[arg-type]


def test_a_world_with_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="unknown fault 'gremlin'"):
        list(simulate(WorldConfig(faults={"gremlin": 1.0})))
