from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from billing_dq.catalog.trace import events, trace
from billing_dq.catalog.views import nights_database
from billing_dq.storage.lake import Lake
from tests.support.two_nights import ENTRY, KEY, NIGHTS, ORG, OTHER, PAID

AS_OF = {night: datetime.fromisoformat(f"{night}T03:10:00Z") for night in NIGHTS}


def traced(home: Path, searched: str) -> pd.DataFrame:
    with nights_database(Lake(str(home))) as database:
        return trace(database, searched)


def sources(home: Path, searched: str) -> list[str]:
    return traced(home, searched)["source"].tolist()


def row(**more: object) -> dict[str, object]:
    return {"night": NIGHTS[0], "last_night": NIGHTS[1], "organization_id": ORG, **more}


@pytest.mark.parametrize("searched", ["ch_1", "du_1", "cs_live_1"])
def test_each_id_of_a_purchase_leads_to_all_of_it_in_time_order(two_nights: Path, searched: str) -> None:
    assert sources(two_nights, searched) == [
        "ledger_entries",
        "stripe_charges",
        "ledger_entries",
        "stripe_disputes",
        "stripe_disputes.movements",
        "findings",
        "findings",
    ]


def test_an_organization_has_its_own_events_and_no_other(two_nights: Path) -> None:
    found = traced(two_nights, ORG)
    assert set(found["organization_id"].dropna()) == {ORG}
    assert found["at"].is_monotonic_increasing
    assert {"findings", "ledger_entries", "organizations", "stripe_charges", "weekly_usage"} <= set(found["source"])
    assert set(traced(two_nights, OTHER)["source"]) == {"findings", "organizations"}


def test_a_key_leads_to_its_week_and_its_debit(two_nights: Path) -> None:
    assert sources(two_nights, KEY) == ["ledger_entries", "weekly_usage"]


def test_an_entry_leads_to_its_purchase_and_what_was_taken_back_of_it(two_nights: Path) -> None:
    found = traced(two_nights, ENTRY)
    assert {"stripe_charges", "stripe_disputes"} <= set(found["source"])
    entries = found[found["source"] == "ledger_entries"]
    assert entries["text"].str.extract(r"kind: (\w+)")[0].tolist() == ["topup", "refund"]


def test_a_finding_shows_how_it_went_from_night_to_night(two_nights: Path) -> None:
    states = traced(two_nights, "f1")["text"].str.extract("state: (\\w+)")[0]
    assert states.tolist() == ["new", "resolved"]


def test_what_nobody_knows_has_no_event(two_nights: Path) -> None:
    assert traced(two_nights, "ch_9").empty


def test_a_row_that_says_the_same_on_two_nights_is_one_event_of_the_first() -> None:
    found = events({"organizations": pd.DataFrame([row(plan="free")])}, AS_OF)
    assert found[["at", "night", "last_night", "text"]].values.tolist() == [
        [pd.Timestamp(AS_OF[NIGHTS[0]]), *NIGHTS, "plan: free"]
    ]


def test_an_entry_that_several_tables_have_is_one_event() -> None:
    entry = row(entry_id="e1", kind="topup", amount=5_000.0, at=PAID)
    found = events({"ledger_entries": pd.DataFrame([entry]), "pack_purchases": pd.DataFrame([entry])}, AS_OF)
    assert found["source"].tolist() == ["ledger_entries"]


def test_movements_of_money_are_events_of_their_own() -> None:
    moved = {"amount_minor": -500, "currency": "usd", "reporting_category": "dispute", "created": PAID.replace(day=9)}
    dispute = row(dispute_id="du_1", created=PAID, movements=[moved])
    found = events({"stripe_disputes": pd.DataFrame([dispute])}, AS_OF)
    assert found["at"].tolist() == [PAID, datetime(2026, 11, 9, 9, 30, tzinfo=UTC)]
    assert found["text"].tolist()[1] == "amount_minor: -500, currency: usd, reporting_category: dispute"
