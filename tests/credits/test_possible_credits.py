"""What may be the credit of a dispute already is for a person: each shape, from the ledger's bytes to the plan."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import bson
import pandas as pd
import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pymongo.collection import Collection
from pymongo.database import Database

from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import CreditPlan
from billing_dq.credits.planner import Planner
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader
from billing_dq.tables import STRIPE_DISPUTES

Document = dict[str, object]
ORGANIZATION = "6aba68021f1483412b0fa60e"
DISPUTE = "du_1TILWEKGU1Y4hKjv9j5G2C5M"
OURS = f"dispute_reinstate_{DISPUTE}"
TOPUP = ObjectId("6ad8a43ef9c10e4a444e7a3d")
WITHDRAWN = datetime(2026, 10, 20, 12, tzinfo=UTC)
LATER = WITHDRAWN + timedelta(days=20)
UNITS = 2500
Plan = Callable[..., CreditPlan]


def entry(kind: str, amount: float, ref: str | None, at: datetime = LATER) -> Document:
    plain: Document = {"_id": ObjectId(), "kind": kind, "amount": amount, "at": at}
    return plain if ref is None else {**plain, "refId": ref}


def ledger(*more: Document, topup: float = UNITS, clawback: float = UNITS, session: str = "cs_1") -> list[Document]:
    bought = entry("topup", topup, None, WITHDRAWN - timedelta(days=9)) | {"_id": TOPUP, "stripeSessionId": session}
    taken = entry("refund", -clawback, f"refund-dispute_{DISPUTE}-{TOPUP}", WITHDRAWN + timedelta(minutes=1))
    return [bought, taken, *more]


def dispute(livemode: bool = True) -> pd.DataFrame:
    """Won; its money was withdrawn and came back."""
    moves = [(-300, WITHDRAWN), (300, WITHDRAWN + timedelta(days=15))]
    return STRIPE_DISPUTES.from_rows(
        [
            {
                "dispute_id": DISPUTE,
                "charge_id": "ch_1",
                "status": "won",
                "amount_minor": 300,
                "currency": "usd",
                "organization_id": ORGANIZATION,
                "stripe_session_id": "cs_1",
                "created": WITHDRAWN,
                "livemode": livemode,
                "movements": [
                    {
                        "amount_minor": amount,
                        "currency": "usd",
                        "exchange_rate": None,
                        "reporting_category": "",
                        "created": at,
                    }
                    for amount, at in moves
                ],
            }
        ]
    )


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Plans the dispute over a ledger of these entries, whose documents come as bytes, as from a server."""
    home = str(tmp_path_factory.mktemp("home"))

    def planned(entries: list[Document], key: str = "rk_live_local", livemode: bool = True) -> CreditPlan:
        balance = {"_id": 1, "organization": ObjectId(ORGANIZATION), "cachedBalance": 0, "ledger": entries}
        documents = {"billingextrabalances": balance, "organizations": {"_id": ObjectId(ORGANIZATION), "plan": "free"}}
        raw = {name: bson.encode(document) for name, document in documents.items()}
        monkeypatch.setattr(Collection, "find_raw_batches", lambda self, *_, **__: iter([raw.get(self.name, b"")]))
        monkeypatch.setattr(OrganizationReader, "with_dispute", lambda *_: [ORGANIZATION])
        chosen = Settings(home=home, stripe_api_key=SecretStr(key))
        reader = OrganizationReader(chosen, UNCONNECTED)
        return Planner(chosen, reader, lambda *_: dispute(livemode)).plan(DISPUTE, OnRecord())

    return planned


class _Unconnected:
    """A database that nothing is asked of but the collections by name."""

    def with_options(self, *_: object, **__: object) -> Database[Document]:
        from pymongo import MongoClient

        return MongoClient[Document](connect=False)["app"]


UNCONNECTED: Database[Document] = _Unconnected()  # pyright: ignore[reportAssignmentType]

NAMING: dict[str, str] = {
    "ours in capitals": OURS.upper(),
    "ours with small letters only": OURS.lower(),
    "a blank before": f" {OURS}",
    "a blank behind": f"{OURS} ",
    "a line end behind": f"{OURS}\n",
    "a blank inside": f"dispute_reinstate_ {DISPUTE}",
    "a blank within the id": f"dispute_reinstate_{DISPUTE[:9]} {DISPUTE[9:]}",
    "a blank that does not break": f"\u00a0{OURS}",
    "a blank of no width": OURS.replace("_", "_\u200b", 1),
    "a soft hyphen": OURS.replace("rein", "re\u00adin"),
    "a joiner within the id": f"dispute_reinstate_du_1\u2060{DISPUTE[4:]}",
    "a mark of direction": f"\u200e{OURS}",
    "a selector of a variant": f"{OURS}\ufe0f",
    "a zero byte's neighbour": f"{OURS}\x01",
    "wide letters": OURS.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
    "goodwill that names the dispute": f"goodwill for {DISPUTE}",
    "hyphens": f"dispute-reinstate-{DISPUTE}",
    "with a note": f"{OURS}-2",
    "the tool's prefix with the dispute": f"dispute-credit-{DISPUTE}-x",
    "the older clawback's reference": f"dispute_{DISPUTE}",
    "the clawback's reference": f"refund-dispute_{DISPUTE}-{ObjectId()}",
    "the id alone": DISPUTE,
    "the id without its prefix": f"won: {DISPUTE[3:]}",
    "a correction": f"correction-{DISPUTE}",
}


@pytest.mark.parametrize("ref", NAMING.values(), ids=NAMING.keys())
def test_a_credit_that_names_the_dispute_parks_it_whatever_its_amount(plan: Plan, ref: str) -> None:
    found = plan(ledger(entry("adjustment", UNITS if ref.startswith(("g", " ", "D")) else 100, ref)))
    assert (found.decision, found.reason, found.units) == ("parked", "possible_hand_credit", 0)


@pytest.mark.parametrize("kind", ["topup", "refund"])
def test_an_entry_of_another_kind_that_gives_units_in_its_name_parks_it(plan: Plan, kind: str) -> None:
    assert plan(ledger(entry(kind, UNITS, f"goodwill for {DISPUTE}"))).decision == "parked"


NEAR = [1250, 1251, 2000, 2499, 2501, 4999, 5000, 25_000, 250_000, 2_500_000, 250]


@pytest.mark.parametrize(
    ("units", "ref"),
    [
        *((units, "dispute-credit-77") for units in NEAR),
        *((2499, ref) for ref in ("Dispute-Credit-77", "goodwill", None, "", "\u200b")),
    ],
)
def test_a_credit_near_the_amount_or_a_slip_away_parks_the_dispute(plan: Plan, units: float, ref: str | None) -> None:
    found = plan(ledger(entry("adjustment", units, ref)))
    assert (found.decision, found.reason) == ("parked", "possible_hand_credit")


def test_a_credit_without_a_reference_parks_it_whatever_its_amount(plan: Plan) -> None:
    assert plan(ledger(entry("adjustment", 7, None))).decision == "parked"


@pytest.mark.parametrize("before", [timedelta(seconds=1), timedelta(minutes=59)])
@pytest.mark.parametrize("ref", ["dispute-credit-77", None])
def test_a_credit_shortly_before_the_withdrawal_parks_it(plan: Plan, before: timedelta, ref: str | None) -> None:
    assert plan(ledger(entry("adjustment", UNITS, ref, WITHDRAWN - before))).decision == "parked"


def test_small_credits_that_are_half_of_it_together_park_it(plan: Plan) -> None:
    small = [entry("adjustment", 625, f"dispute-credit-{number}") for number in range(2)]
    assert plan(ledger(*small)).decision == "parked"
    assert plan(ledger(*small[:1])).decision == "due"


@pytest.mark.parametrize(
    "friend",
    [
        entry("adjustment", 100, "dispute-credit-77"),
        entry("adjustment", 251, "dispute-credit-77"),
        entry("adjustment", 5001, "dispute-credit-77"),
        entry("adjustment", UNITS, "dispute-credit-77", WITHDRAWN - timedelta(days=1)),
        entry("adjustment", UNITS, "settle:2026-W45"),
        entry("adjustment", 100, "goodwill"),
        entry("adjustment", UNITS, "dispute_reinstate_du_2ABCDEFGHIJKLMNOPQRSTUVW"),
        entry("topup", UNITS, "referral:65a0:invited"),
    ],
    ids=lambda friend: f"{friend['refId']} of {friend['amount']}",
)
def test_a_credit_for_something_else_holds_nothing_back(plan: Plan, friend: Document) -> None:
    assert (plan(ledger(friend)).decision, plan(ledger(friend)).units) == ("due", UNITS)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ref=st.none() | st.sampled_from(["dispute-credit-77", "goodwill", *NAMING.values()]) | st.text(max_size=12),
    units=st.integers(1, 30_000) | st.sampled_from(NEAR),
    minutes=st.integers(-59, 40_000),
)
def test_what_is_due_beside_a_credit_is_for_another_purpose(
    plan: Plan, ref: str | None, units: int, minutes: int
) -> None:
    """Whatever its reference: a machine's credit beside one that is near half to double is what must never be."""
    found = plan(ledger(entry("adjustment", units, ref, WITHDRAWN + timedelta(minutes=minutes))))
    near = UNITS / 2 <= units <= UNITS * 2 and not (ref or "").startswith("settle:")
    assert found.decision in ("parked", "nothing_due") if near else found.decision in ("due", "parked", "refused")
    assert found.units in (0, UNITS, UNITS - units)


def test_never_more_is_given_than_the_top_up(plan: Plan) -> None:
    found = plan(ledger(clawback=2_500_000_000))
    assert (found.decision, found.reason, found.units) == ("parked", "clawback_beyond_pack", 0)


@pytest.mark.parametrize("clawback", [2500.5, 2499.5, 0.5])
def test_half_units_are_never_given(plan: Plan, clawback: float) -> None:
    assert plan(ledger(topup=5000, clawback=clawback)).units == clawback // 1


@pytest.mark.parametrize(
    ("key", "livemode", "session", "expected"),
    [
        ("rk_live_x", True, "cs_live_a", ("due", "not_credited")),
        ("sk_live_x", True, "cs_plain", ("due", "not_credited")),
        ("rk_test_x", False, "cs_test_a", ("due", "not_credited")),
        ("sk_test_x", False, "cs_plain", ("due", "not_credited")),
        ("rk_test_x", False, "cs_live_a", ("refused", "ledger_of_other_mode")),
        ("rk_live_x", True, "cs_test_a", ("refused", "ledger_of_other_mode")),
        ("rk_live_x", False, "cs_live_a", ("refused", "wrong_mode")),
        ("rk_test_x", True, "cs_live_a", ("refused", "wrong_mode")),
        ("rk_abc", True, "cs_live_a", ("refused", "unknown_mode")),
        ("rk_abc", False, "cs_plain", ("refused", "unknown_mode")),
    ],
)
def test_key_dispute_and_ledger_are_of_one_mode(
    plan: Plan, key: str, livemode: bool, session: str, expected: tuple[str, str]
) -> None:
    found = plan(ledger(session=session), key, livemode)
    assert (found.decision, found.reason) == expected
    assert (found.units > 0) == (expected[0] == "due")
