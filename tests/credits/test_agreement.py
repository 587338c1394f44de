"""Every night holds the audit log against the ledgers that it read, and says in one line what is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from billing_dq.credits.agreement import audit_log, said_of_a_night
from billing_dq.credits.audit import Subject
from billing_dq.settings import Settings
from billing_dq.tables import DISPUTE_ENTRIES

ORGANIZATION = "6aba68021f1483412b0fa60e"
ENTRY = "6ad8a43ef9c10e4a444e7a3d"
#: Behind everything that the tests record.
NOW = datetime.now(UTC) + timedelta(hours=1)
ABOUT = Subject("du_1", ORGANIZATION, "0" * 24)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home that has credited one dispute."""
    chosen = Settings(home=str(tmp_path))
    log = audit_log(chosen)
    for kind in ("intent", "verified"):
        log.append(kind, ABOUT, "anna", "it came back", {"entry_id": ENTRY, "units": 6000.0})
    return chosen


def ledger(units: float = 6000.0, entry_id: str = ENTRY, ref: str | None = "dispute_reinstate_du_1") -> pd.DataFrame:
    row = {"organization_id": ORGANIZATION, "entry_id": entry_id, "kind": "adjustment", "ref_id": ref, "amount": units}
    return DISPUTE_ENTRIES.from_rows([row | {"at": NOW}])


def test_log_and_ledgers_that_agree_are_not_spoken_of(settings: Settings) -> None:
    assert said_of_a_night(settings, ledger(), NOW) is None


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (ledger(ref=None), "record_without_entry"),
        (ledger(units=5999.0), "amount_differs"),
        (pd.concat([ledger(), ledger(entry_id="7" * 24)]), "entry_of_another"),
    ],
)
def test_what_differs_is_said(settings: Settings, entries: pd.DataFrame, said: str) -> None:
    assert f"du_1 {said}" in str(said_of_a_night(settings, entries, NOW))


def test_what_was_credited_after_the_night_is_not_held_against_it(settings: Settings) -> None:
    assert said_of_a_night(settings, ledger(ref=None), NOW - timedelta(days=1)) is None


def test_a_log_that_lost_its_end_is_said(settings: Settings) -> None:
    audit_log(settings).path.unlink()
    assert "has lost its end" in str(said_of_a_night(settings, ledger(), NOW))


def test_a_home_that_can_credit_nothing_has_nothing_to_say() -> None:
    assert said_of_a_night(Settings(home="memory://home"), ledger(), NOW) is None
