"""What all ledgers say about purchases, and of which organizations a ledger could not be read.

| entry | reference | says |
|---|---|---|
| `topup` above 0 | its checkout session | a pack was delivered |
| `refund` below 0 | `refund-<refund>-<topup entry>` | units taken back for a refund |
| `refund` below 0 | `refund-<session>-<cents>-<topup entry>`, of older versions | the same; it names no refund |
| `refund` below 0, `adjustment` above 0 | `correction-<name>` | what a person corrected |

The name of a correction is that of the charge, session or top-up whose delivery was wrong, or of the refund.
"""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from billing_dq.vocabulary.references import CARRIED_OVER

_DTYPES = {
    "kind": "str",
    "organization_id": "str",
    "subject": "str",
    "units": "float64",
    "cause": "str",
    "explanation": "str",
}
_CORRECTION = r"^correction-(.+)$"
_OLD_REFUND = r"^refund-(?P<session>cs_[^-]+)-\d+-(?P<topup_id>[^-]+)$"
_REFUND = r"^refund-(?P<refund_id>.+)-(?P<topup_id>[^-]+)$"


@dataclass(frozen=True)
class PaidLedgers:
    """PACK_PURCHASES and REFUND_ENTRIES of whole ledgers, LEDGER_SUSPECTS with every correction and expiration in them.

    EXTRAS_BALANCES and UNREADABLE_KEYS tell whose ledgers are whole.
    """

    purchases: pd.DataFrame
    refund_entries: pd.DataFrame
    suspects: pd.DataFrame
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

    @cached_property
    def refunds_taken(self) -> pd.DataFrame:
        """Units taken back for refunds: ``organization_id``, ``refund_id`` or (of an old reference) ``session``,
        ``topup_id``, ``units`` above 0 and ``at``; a reference that is repeated counts once, because the copy is a
        violation of its ledger.
        """
        entries = self.refund_entries[self.refund_entries["amount"] < 0].sort_values(["at", "entry_id"])
        entries = entries.drop_duplicates(["organization_id", "ref_id"]).reset_index(drop=True)
        old = entries["ref_id"].str.extract(_OLD_REFUND)
        new = entries["ref_id"].where(old["topup_id"].isna()).str.extract(_REFUND)
        return pd.DataFrame(
            {
                "organization_id": entries["organization_id"],
                "refund_id": new["refund_id"],
                "topup_id": old["topup_id"].fillna(new["topup_id"]),
                "session": old["session"],
                "units": -entries["amount"],
                "at": entries["at"],
            }
        )

    def corrected(self, organizations: "pd.Series[str]", *names: "pd.Series[str]") -> "pd.Series[float]":
        """Signed units that people gave and took in each organization under any of some names; 0 where none."""
        total = pd.Series(0.0, index=organizations.index)
        for name in names:
            key = pd.MultiIndex.from_arrays([organizations, name])
            total += self._corrections.reindex(key).fillna(0.0).to_numpy()
        return total

    def refunded(self, organizations: "pd.Series[str]", topups: "pd.Series[str]") -> "pd.Series[float]":
        """Units of each top-up that were taken back for refunds."""
        sums = self.refunds_taken.groupby(["organization_id", "topup_id"])["units"].sum()
        key = pd.MultiIndex.from_arrays([organizations, topups])
        return pd.Series(sums.reindex(key).fillna(0.0).to_numpy(), organizations.index)

    def expired(self, organizations: "pd.Series[str]", topups: "pd.Series[str]") -> "pd.Series[float]":
        """Units of each top-up that expired."""
        entries = self.suspects[self.suspects["kind"] == "expiration"]
        by_topup = (
            -entries.assign(topup_id=entries["ref_id"].str.extract(r"^expire-(.+)$", expand=False))
            .groupby(["organization_id", "topup_id"])["amount"]
            .sum()
        )
        key = pd.MultiIndex.from_arrays([organizations, topups])
        return pd.Series(by_topup.reindex(key).fillna(0.0).to_numpy(), index=organizations.index)

    def begins_after(self, organizations: "pd.Series[str]", instants: "pd.Series[pd.Timestamp]") -> "pd.Series[bool]":
        """Whether the ledger of each organization was archived since an instant: what it held then is not known."""
        carried = self.suspects[self.suspects["ref_id"].str.startswith(CARRIED_OVER, na=False)]
        newest = carried.groupby("organization_id")["at"].max().reindex(organizations)
        return instants <= newest.set_axis(organizations.index)

    @cached_property
    def _corrections(self) -> "pd.Series[float]":
        kind, amount = self.suspects["kind"], self.suspects["amount"]
        entries = self.suspects[((kind == "adjustment") & (amount > 0)) | ((kind == "refund") & (amount < 0))]
        named = entries.assign(name=entries["ref_id"].str.extract(_CORRECTION, expand=False))
        return named.dropna(subset="name").groupby(["organization_id", "name"])["amount"].sum()


def no_findings() -> pd.DataFrame:
    """`findings_frame` without a row."""
    return findings_frame(pd.DataFrame(columns=list(_DTYPES)))


def findings_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Findings of purchases in one form: kind, organization_id, subject, units, cause, explanation; by kind, subject.

    Units are signed as money is: negative is owed to the customer.
    """
    return rows[list(_DTYPES)].astype(_DTYPES).sort_values(["kind", "subject", "explanation"], ignore_index=True)
