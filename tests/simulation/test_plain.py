"""The plain decoding, on the sample and on simulated worlds."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from billing_dq.reconcile.ledger.entry_rules import entry_violations
from billing_dq.tables import TABLES
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document
from billing_dq_simulation.plain import plain_frames
from billing_dq_simulation.world import simulate

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
NIGHT = NightWeeks(AS_OF, 3, 6)


def test_the_samples_night_has_the_numbers_of_its_readme(sample_documents: dict[str, list[Document]]):
    frames = plain_frames(sample_documents, NIGHT, AS_OF)
    assert len(frames["organizations"]) == 102
    assert len(frames["subscriptions"]) == 96
    assert len(frames["extras_balances"]) == 88
    assert frames["extras_balances"]["entry_count"].sum() == 739
    usage, entries = frames["weekly_usage"], frames["ledger_entries"]
    debits = entries[(entries["kind"] == "debit") & (entries["at"] >= NIGHT.weeks[0].start)]
    weeks = set(
        usage.loc[usage["week_key"].isin(NIGHT.keys), ["organization_id", "week_key"]].itertuples(
            index=False, name=None
        )
    )
    weeks |= {(row.organization_id, row.at.strftime("%G-W%V")) for row in debits.itertuples()}
    assert len(weeks) == 386
    balances = frames["extras_balances"]
    assert (balances["cached_balance"] == balances["ledger_sum"]).all()
    suspects = frames["ledger_suspects"]
    is_grant = suspects["ref_id"].str.startswith(("signup_grant-", "referral:"), na=False)
    assert not set(suspects.loc[~is_grant, "kind"]) - {"refund", "expiration", "adjustment"}
    for nothing in ("dead_lettered_events", "quarantined_documents", "unreadable_keys"):
        assert frames[nothing].empty


def test_a_settled_week_tells_the_units_of_its_settlement(sample_documents: dict[str, list[Document]]):
    usage = plain_frames(sample_documents, NIGHT, AS_OF)["weekly_usage"].set_index(["organization_id", "week_key"])
    assert usage.loc[("6ab3fa79f7a4e0ce71c832ad", "2026-W44"), "settled_units"] == 1397


def test_older_documents_histories_are_initial_steps(sample_documents: dict[str, list[Document]]):
    usage = plain_frames(sample_documents, NIGHT, AS_OF)["weekly_usage"].set_index(["organization_id", "week_key"])
    keys = usage.loc[("6ab07317466aab391f287f00", "2026-W43"), "attribution_keys"]
    assert keys[0] == "6ad6ce07321cebe67f654e41:initial"


def test_every_mongo_table_is_there_and_keeps_its_contract():
    documents: dict[str, list[Document]] = defaultdict(list)
    faults = dict.fromkeys(("duplicate_debit", "duplicate_session", "wrong_sign", "zero_amount", "future_entry"), 0.1)
    faults |= dict.fromkeys(("missing_ref", "unknown_kind", "dead_lettered_event", "credit_due"), 0.1)
    config = WorldConfig(organizations=300, faults=faults)
    for one in simulate(config):
        for name, some in one.documents.items():
            documents[name] += some
    frames = plain_frames(documents, NIGHT, AS_OF)
    for name, frame in frames.items():
        TABLES[name].conform(frame)
    rules = {"duplicate_ref", "duplicate_session", "sign", "zero_amount", "future_entry", "missing_ref", "unknown_kind"}
    assert set(entry_violations(frames["ledger_suspects"], AS_OF)["rule"]) == rules
    assert len(frames["dead_lettered_events"]) > 0
    assert len(frames["dispute_entries"]) > 0


def test_a_document_that_is_not_sound_is_refused():
    with pytest.raises(KeyError, match="no number"):
        plain_frames(
            {"billingusages": [{"organizationId": "a", "weekKey": "2026-W46", "meterUsed": "7", "meterQuota": 0}]},
            NIGHT,
            AS_OF,
        )
