"""Integrity of whole ledgers: sums and entries (docs/domain.md, "Ledger"), and all breaks of a night in one table.

Units of violations are signed as money is: positive is owed to us, negative to the customer. Breaks of single entries
are `entry_rules`', of expiry `expiry`'s, settlements on one side `settlements`', large documents `document_size`'s;
`one_violation_each` joins them, and `compensation` says which of them were made good.
"""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.ledger.compensation import with_compensations
from billing_dq.reconcile.ledger.entry_rules import entry_violations
from billing_dq.tables import LEDGER_VIOLATIONS

#: Doubles are added up: whole units are exact, and parts of units differ by rounding only.
ROUNDING = 1e-6


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
    suspects = suspects.loc[~suspects["organization_id"].isin(dark)]
    off = balances["cached_balance"] - balances["ledger_sum"]
    wrong = balances.loc[(off.abs() > ROUNDING) & ~balances["organization_id"].isin(dark)]
    cached = pd.DataFrame(
        {
            "organization_id": wrong["organization_id"],
            "rule": "cached_balance",
            "entry_id": None,
            "ref_id": None,
            "units": wrong["cached_balance"] - wrong["ledger_sum"],
            "detail": [
                f"cachedBalance is {cached:,.10g} units and the ledger's {count:,} entries add up to {total:,.10g}"
                for cached, total, count in zip(
                    wrong["cached_balance"], wrong["ledger_sum"], wrong["entry_count"], strict=True
                )
            ],
            "compensated_by": None,
        }
    )
    return pd.concat([LEDGER_VIOLATIONS.conform(cached), entry_violations(suspects, as_of)], ignore_index=True)


def one_violation_each(
    violations: Sequence[pd.DataFrame], suspects: pd.DataFrame, dollars_to_units: float
) -> pd.DataFrame:
    """All violations of a night in one `LEDGER_VIOLATIONS` table, by organization, rule and entry, with what makes them
    good (`with_compensations`).

    A top-up that was expired twice repeats a refId, too: of the two rules only the telling one, `expiry_twice`, stays.

    Args:
        violations: `LEDGER_VIOLATIONS` of each rule.
        suspects: `LEDGER_SUSPECTS`.
        dollars_to_units: the general ratio.
    """
    together = pd.concat([LEDGER_VIOLATIONS.empty(), *violations])
    of_twice = together.loc[together["rule"] == "expiry_twice", ["organization_id", "ref_id"]]
    reference = pd.MultiIndex.from_frame(together[["organization_id", "ref_id"]])
    told_better = (together["rule"] == "duplicate_ref") & reference.isin(pd.MultiIndex.from_frame(of_twice))
    order = ["organization_id", "rule", "entry_id", "ref_id"]
    return with_compensations(together.loc[~told_better].sort_values(order), suspects, dollars_to_units)
