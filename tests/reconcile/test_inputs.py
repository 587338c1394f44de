"""Bundles of tables: a table that was not read is never taken for an empty one."""

import pandas as pd
import pytest

from billing_dq.reconcile.inputs import ApplicationTables, Earlier, MissingTableError, StripeTables
from billing_dq.tables import ORGANIZATIONS
from tests.support.ledger_rows import NIGHT


def test_a_table_that_was_not_read_cannot_be_asked_for() -> None:
    ours = ApplicationTables(NIGHT, {"organizations": ORGANIZATIONS.empty()})
    assert ours.organizations.empty
    with pytest.raises(MissingTableError, match="extras_balances was not read"):
        _ = ours.balances
    with pytest.raises(MissingTableError, match="stripe_disputes was not read"):
        _ = StripeTables({}, True).disputes


def test_events_may_be_absent_where_stripe_was_read() -> None:
    assert StripeTables({}, True).subscription_events is None
    events = pd.DataFrame({"event_id": ["evt_1"]})
    assert StripeTables({"stripe_subscription_events": events}, True).subscription_events is events


def test_before_a_first_night_nothing_is_known() -> None:
    earlier = Earlier()
    assert (len(earlier.quotas), len(earlier.closed_weeks)) == (0, 0)
    assert (earlier.findings, earlier.quarantined) == (None, None)
