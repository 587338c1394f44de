"""Grants that stand in more than one ledger (docs/domain.md, "Ledger"): older versions gave one invitation twice.

The reference of a grant names whom or what it is for, and the application's guard against a second one looks into one
ledger only.
"""

import pandas as pd

from billing_dq.reconcile.ledger.violation_rows import violations_of
from billing_dq.vocabulary.references import REFERRAL_GRANT, SIGNUP_GRANT

GRANT_IN_TWO_LEDGERS = "grant_in_two_ledgers"


def grant_violations(suspects: pd.DataFrame) -> pd.DataFrame:
    """Grants of one reference in the ledgers of several organizations, in LEDGER_VIOLATIONS.

    Args:
        suspects: LEDGER_SUSPECTS of all organizations, with every grant.

    Returns:
        Rule `grant_in_two_ledgers`, an entry in each ledger but the rightful one: the one that the sign-up grant names,
        else the one that was given the units first. Units are those of the grant, owed to us.
    """
    named = suspects["ref_id"].str.startswith((SIGNUP_GRANT, REFERRAL_GRANT), na=False)
    grants = suspects[named & (suspects["kind"] == "topup") & (suspects["amount"] > 0)]
    grants = grants.drop_duplicates(["organization_id", "ref_id"])
    grants = grants[grants.duplicated("ref_id", keep=False)]
    is_named = grants["ref_id"] == SIGNUP_GRANT + grants["organization_id"]
    order = ["is_named", "at", "organization_id"]
    grants = grants.assign(is_named=is_named).sort_values(order, ascending=[False, True, True])
    rightful = grants.drop_duplicates("ref_id").set_index("ref_id")["organization_id"]
    again = grants[grants.duplicated("ref_id")]
    sentences = [
        f"the grant {ref_id} of {units:,.10g} units stands in the ledgers of {rightful[ref_id]} and of {organization}"
        for ref_id, units, organization in again[["ref_id", "amount", "organization_id"]].itertuples(
            index=False, name=None
        )
    ]
    return violations_of(again, GRANT_IN_TWO_LEDGERS, again["amount"], sentences)
