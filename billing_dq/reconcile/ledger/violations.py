"""Integrity of ledgers: sums, and the rules that the server evaluated over whole ledgers (DOMAIN.md, "What must hold").

Units of violations are signed as money is: positive is owed to us, negative to the customer. Breaks of expiry are
`expiry`'s, settlements on one side `settlements`', large documents `document_size`'s; `one_violation_each` joins them.
"""

from collections.abc import Sequence

import pandas as pd

from billing_dq.tables import LEDGER_VIOLATIONS

#: The server adds up doubles: whole units are exact, and parts of units differ by rounding only.
ROUNDING = 1e-6

_SENTENCES = {
    "duplicate_ref": "a {kind} of {amount} units repeats the refId {ref} of an earlier entry",
    "duplicate_session": "a top-up of {amount} units repeats the checkout session {session} of an earlier one",
    "sign": "a {kind} of {amount} units has the wrong sign",
    "zero_amount": "a {kind} of 0 units; only an expiration may be of nothing",
    "future_entry": "a {kind} of {amount} units is dated {at}, after the snapshot",
    "missing_ref": "a {kind} of {amount} units has no refId",
    "unknown_kind": "an entry of {amount} units is of the unknown kind {kind}",
}


def whole_ledger_violations(balances: pd.DataFrame, suspects: pd.DataFrame, unreadable: pd.DataFrame) -> pd.DataFrame:
    """Caches that are not their ledger's sum, and the entries that the server found, in `LEDGER_VIOLATIONS`.

    Args:
        balances: `EXTRAS_BALANCES` rows.
        suspects: `LEDGER_SUSPECTS` rows; each is a violation of its rule, over the entry's amount.
        unreadable: `UNREADABLE_KEYS`; ledgers in it are left out.
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
        }
    )
    entries = pd.DataFrame(
        {
            "organization_id": suspects["organization_id"],
            "rule": suspects["rule"],
            "entry_id": suspects["entry_id"],
            "ref_id": suspects["ref_id"],
            "units": suspects["amount"],
            "detail": [
                _SENTENCES[rule].format(kind=kind, amount=f"{amount:,.10g}", ref=ref, session=session, at=f"{at:%F %T}")
                for rule, kind, amount, ref, session, at in suspects[
                    ["rule", "kind", "amount", "ref_id", "stripe_session_id", "at"]
                ].itertuples(index=False, name=None)
            ],
        }
    )
    return one_violation_each([LEDGER_VIOLATIONS.conform(cached), LEDGER_VIOLATIONS.conform(entries)])


def one_violation_each(violations: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All violations of a night in one `LEDGER_VIOLATIONS` table, by organization, rule and entry.

    A top-up that was expired twice repeats a refId, too: of the two rules only the telling one, `expiry_twice`, stays.
    """
    together = pd.concat([LEDGER_VIOLATIONS.empty(), *violations])
    of_twice = together.loc[together["rule"] == "expiry_twice", ["organization_id", "ref_id"]]
    reference = pd.MultiIndex.from_frame(together[["organization_id", "ref_id"]])
    told_better = (together["rule"] == "duplicate_ref") & reference.isin(pd.MultiIndex.from_frame(of_twice))
    order = ["organization_id", "rule", "entry_id", "ref_id"]
    return LEDGER_VIOLATIONS.conform(together.loc[~told_better].sort_values(order))
