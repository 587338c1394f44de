"""Rules of single entries and of repeated references, over whole ledgers (docs/domain.md, "Ledger").

The application writes references of a few forms. A refund or adjustment with a reference of any other form was written
by a person, to correct something: a ledger is append only, so a correction is an entry of its own, and one that takes
units back is negative.
"""

from datetime import datetime, timedelta

import pandas as pd

from billing_dq.reconcile.ledger.violation_rows import violations_of
from billing_dq.vocabulary.references import EXPIRATION, OLD_CLAWBACK, REFUND, SETTLEMENT, TOOL_CREDIT

ENTRY_KINDS = ("topup", "debit", "refund", "expiration", "adjustment")
#: An entry dated later than this after the snapshot is dated in the future; less is a difference of clocks.
CLOCK_GRACE = timedelta(minutes=5)
#: Rules that question an entry's form and not its amount: nobody owes its units to anybody.
OF_NO_MONEY = ("future_entry", "missing_ref", "unknown_kind", "history_changed")
#: Beginnings of the references that the application, or this system, builds.
_BUILT = (REFUND, OLD_CLAWBACK, TOOL_CREDIT, SETTLEMENT, EXPIRATION)

_SENTENCES = {
    "duplicate_ref": "{a} {kind} of {amount} units repeats the refId {ref} of an earlier entry",
    "duplicate_session": "{a} {kind} of {amount} units repeats the checkout session {session} of an earlier one",
    "sign": "{a} {kind} of {amount} units has the wrong sign",
    "zero_amount": "{a} {kind} of 0 units; only an expiration may be of nothing",
    "future_entry": "{a} {kind} of {amount} units is dated {at}, after the snapshot",
    "missing_ref": "{a} {kind} of {amount} units has no refId",
    "unknown_kind": "an entry of {amount} units is of the unknown kind {kind}",
}


def entry_violations(suspects: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The entries that break a rule, once for each rule, in `LEDGER_VIOLATIONS`.

    Units are the entry's amount; of a wrong sign twice that, for it went the wrong way and is missing on the right one.

    Args:
        suspects: `LEDGER_SUSPECTS` in commit order, with every entry of a repeated reference.
        as_of: the instant of the snapshot.
    """
    rows = suspects.sort_values(["organization_id", "position"])
    kind, amount = rows["kind"], rows["amount"]
    reference = rows["ref_id"].where(rows["ref_id"] != "")
    session = rows["stripe_session_id"].where((rows["stripe_session_id"] != "") & (kind == "topup"))
    positive = (kind == "topup") | ((kind == "adjustment") & ~is_correction(rows))
    broken = {
        "duplicate_ref": _is_repeated(rows, reference),
        "duplicate_session": _is_repeated(rows, session),
        # a zero amount that may not be is `zero_amount`, and not `sign` too
        "sign": (positive & (amount < 0)) | (kind.isin(["debit", "refund", "expiration"]) & (amount > 0)),
        "zero_amount": (amount == 0) & (kind != "expiration"),
        "future_entry": rows["at"] > pd.Timestamp(as_of + CLOCK_GRACE),
        "missing_ref": kind.isin(["debit", "adjustment"]) & reference.isna(),
        "unknown_kind": ~kind.isin(ENTRY_KINDS),
    }
    of_rule = {rule: rows.loc[is_broken] for rule, is_broken in broken.items()}
    violations = [
        violations_of(rows, rule, rows["amount"] * (2 if rule == "sign" else 1), _sentences(rows, rule))
        for rule, rows in of_rule.items()
    ]
    return pd.concat(violations, ignore_index=True)


def is_correction(entries: pd.DataFrame) -> pd.Series:
    """Whether an entry was written by hand to correct something; `entries` has the columns kind and ref_id."""
    reference = entries["ref_id"].fillna("")
    return entries["kind"].isin(["refund", "adjustment"]) & (reference != "") & ~reference.str.startswith(_BUILT)


def _is_repeated(rows: pd.DataFrame, reference: pd.Series) -> pd.Series:
    """Whether an earlier entry of the same ledger has this reference; a null repeats nothing."""
    pairs = pd.DataFrame({"organization_id": rows["organization_id"], "reference": reference})
    return pairs.duplicated() & reference.notna()


def _sentences(rows: pd.DataFrame, rule: str) -> list[str]:
    columns = ["kind", "amount", "ref_id", "stripe_session_id", "at"]
    return [
        _SENTENCES[rule].format(
            a="an" if kind in ("adjustment", "expiration") else "a",
            kind=kind,
            amount=f"{amount:,.10g}",
            ref=ref,
            session=session,
            at=f"{at:%F %T}",
        )
        for kind, amount, ref, session, at in rows[columns].itertuples(index=False, name=None)
    ]
