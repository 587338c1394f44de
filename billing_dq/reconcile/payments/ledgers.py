"""What all ledgers say about payments, and of which organizations a ledger could not be read."""

from dataclasses import dataclass

import pandas as pd

_DTYPES = {
    "kind": "str",
    "organization_id": "str",
    "subject": "str",
    "units": "float64",
    "cause": "str",
    "explanation": "str",
}


@dataclass(frozen=True)
class PaidLedgers:
    """PACK_PURCHASES and REFUND_ENTRIES of whole ledgers; EXTRAS_BALANCES and UNREADABLE_KEYS tell whose are whole."""

    purchases: pd.DataFrame
    refund_entries: pd.DataFrame
    balances: pd.DataFrame
    unreadable: pd.DataFrame

    def unread(self, organizations: "pd.Series[str]") -> "pd.Series[bool]":
        """Whether the ledger of each organization, null where it is not told, may be one that could not be read."""
        dark = self.unreadable.loc[self.unreadable["collection"] == "billingextrabalances", "organization_id"]
        unread = organizations.isin(dark.dropna())
        if bool(dark.isna().any()):
            # A bad document that does not tell whose it is may be that of any organization without a readable one.
            unread |= ~organizations.isin(self.balances["organization_id"])
        if len(dark):
            unread |= organizations.isna()
        return unread.astype("bool")


def no_findings() -> pd.DataFrame:
    """`findings_frame` without a row."""
    return findings_frame(pd.DataFrame(columns=list(_DTYPES)))


def findings_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Findings of payments in one form: kind, organization_id, subject, units, cause, explanation, by kind and subject.

    Units are signed as money is: negative is owed to the customer.
    """
    return rows[list(_DTYPES)].astype(_DTYPES).sort_values(["kind", "subject", "explanation"], ignore_index=True)
