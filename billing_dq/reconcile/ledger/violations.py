"""The sum of a ledger (docs/domain.md, "Ledger"), and the breaks of all rules of a night in one table."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.ledger.compensation import with_compensations
from billing_dq.reconcile.ledger.entry_rules import entry_violations
from billing_dq.reconcile.ledger.violation_rows import violations_of
from billing_dq.tables import LEDGER_VIOLATIONS
from billing_dq.units import EPSILON


def whole_ledger_violations(
    balances: pd.DataFrame, suspects: pd.DataFrame, unreadable: pd.DataFrame, as_of: datetime
) -> pd.DataFrame:
    """Caches that are not their ledger's sum, and entries that break a rule, in `LEDGER_VIOLATIONS`.

    Args:
        balances: `EXTRAS_BALANCES` rows.
        suspects: `LEDGER_SUSPECTS` rows.
        unreadable: `UNREADABLE_KEYS`; ledgers in it are left out.
        as_of: the instant of the snapshot.
    """
    dark = unreadable.loc[unreadable["collection"] == "billingextrabalances", "organization_id"]
    balances, suspects = (rows.loc[~rows["organization_id"].isin(dark)] for rows in (balances, suspects))
    broken = balances.loc[(balances["cached_balance"] - balances["ledger_sum"]).abs() > EPSILON]
    sentences = [
        f"cachedBalance is {cached:,.10g} units and the ledger's {count:,} entries add up to {total:,.10g}"
        for cached, total, count in zip(
            broken["cached_balance"], broken["ledger_sum"], broken["entry_count"], strict=True
        )
    ]
    cached = violations_of(broken, "cached_balance", broken["cached_balance"] - broken["ledger_sum"], sentences)
    return pd.concat([cached, entry_violations(suspects, as_of)], ignore_index=True)


def one_violation_each(
    violations: Sequence[pd.DataFrame], suspects: pd.DataFrame, dollars_to_units: float
) -> pd.DataFrame:
    """All violations of a night in one `LEDGER_VIOLATIONS` table, with what makes them good (`with_compensations`).

    A top-up that was expired twice repeats a refId, too: of the two rules only `expiry_twice` stays, which says more.

    Args:
        violations: `LEDGER_VIOLATIONS` of each rule.
        suspects: `LEDGER_SUSPECTS`.
        dollars_to_units: the general ratio.

    Returns:
        By organization, rule and entry.
    """
    together = pd.concat([LEDGER_VIOLATIONS.empty(), *violations])
    references = pd.MultiIndex.from_frame(together[["organization_id", "ref_id"]])
    of_expired = references[together["rule"] == "expiry_twice"]
    is_said_twice = (together["rule"] == "duplicate_ref") & references.isin(of_expired)
    order = ["organization_id", "rule", "entry_id", "ref_id"]
    return with_compensations(together.loc[~is_said_twice].sort_values(order), suspects, dollars_to_units)
