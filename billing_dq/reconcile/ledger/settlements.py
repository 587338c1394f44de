"""Weekly settlements that stand on one side only (docs/domain.md, "Ledger"; docs/causes.md)."""

from collections.abc import Callable
from datetime import timedelta

import pandas as pd

from billing_dq.reconcile.ledger.violation_rows import violations_of
from billing_dq.reconcile.meter.quota.resets import Resets
from billing_dq.units import EPSILON
from billing_dq.vocabulary.references import SETTLEMENT
from billing_dq.weeks import NightWeeks

#: One side of a settlement may be this much older than the other: its writes are retried for two days.
SETTLEMENT_GRACE = timedelta(hours=48)


def settlement_violations(
    usage: pd.DataFrame,
    keys: pd.DataFrame,
    entries: pd.DataFrame,
    night: NightWeeks,
    unreadable: pd.DataFrame,
    resets: Resets,
) -> pd.DataFrame:
    """Settlements of the night's weeks without their other side, or with two amounts, in `LEDGER_VIOLATIONS`.

    A settlement is a ledger adjustment `settle:<week>` and the same key in that week's usage document. One side alone
    counts once it is more than 48 hours old, by the entry's `at` or the document's last write; a document that does
    not tell its last write is as old as its week. The amounts are compared where the document still tells what was
    charged: a change of plan or a cancellation may have set the meter to 0 under keys that stay.

    Args:
        usage: `WEEKLY_USAGE` without attribution_keys; whole organizations.
        keys: row (position in `usage`), key: their attribution keys.
        entries: `LEDGER_ENTRIES` of the same organizations.
        night: the night's weeks.
        unreadable: `UNREADABLE_KEYS`; a document or ledger in it is neither there nor absent.
        resets: in which weeks the meter may have been set to 0.

    Returns:
        Rule `settlement_half_applied`, ref_id `settle:<week>`. Units are signed as money is: positive where the
        customer was credited more than charged.
    """
    sides = _charged(usage, keys, night).merge(
        _credited(entries, night), how="outer", on=["organization_id", "week_key"]
    )
    sides = sides.loc[~_is_dark(sides, usage, unreadable)].assign(ref_id=lambda rows: SETTLEMENT + rows["week_key"])
    latest = pd.Timestamp(night.as_of - SETTLEMENT_GRACE)
    only_key = sides.loc[sides["at"].isna() & (sides["written_at"] < latest)]
    only_entry = sides.loc[sides["written_at"].isna() & (sides["at"] < latest)]
    # A side that is missing has no amount, and nothing differs from none.
    differ = sides.loc[(sides["settled_units"] > 0) & (sides["amount"] - sides["settled_units"] > EPSILON)]
    differ = differ.loc[~resets.possible(differ)]
    violations = [
        _violations(only_key, -only_key["settled_units"].clip(lower=0.0).fillna(0.0), _only_key),
        _violations(only_entry, only_entry["amount"], _only_entry),
        _violations(differ, differ["amount"] - differ["settled_units"], _differ),
    ]
    return pd.concat(violations).sort_values(["organization_id", "ref_id"], ignore_index=True)


def _charged(usage: pd.DataFrame, keys: pd.DataFrame, night: NightWeeks) -> pd.DataFrame:
    """The usage side: organization_id, week_key, settled_units, written_at."""
    keys = keys.loc[keys["key"].str.startswith(SETTLEMENT)]
    rows = usage.iloc[keys["row"]].assign(key=keys["key"].to_numpy()).drop_duplicates()
    rows = rows.loc[(rows["key"] == SETTLEMENT + rows["week_key"]) & rows["week_key"].isin(night.keys)]
    ends = pd.Series({week.key: week.end for week in night.weeks})
    return pd.DataFrame(
        {
            "organization_id": rows["organization_id"],
            "week_key": rows["week_key"],
            "settled_units": rows["settled_units"],
            "written_at": rows["updated_at"].fillna(rows["week_key"].map(ends).astype(rows["updated_at"].dtype)),
        }
    )


def _credited(entries: pd.DataFrame, night: NightWeeks) -> pd.DataFrame:
    """The ledger side: organization_id, week_key, entry_id, amount, at; of a repeated reference the first entry."""
    rows = entries.loc[(entries["kind"] == "adjustment") & entries["ref_id"].str.startswith(SETTLEMENT)]
    rows = rows.assign(week_key=rows["ref_id"].str.removeprefix(SETTLEMENT))
    rows = rows.loc[rows["week_key"].isin(night.keys)].sort_values("position")
    rows = rows.drop_duplicates(["organization_id", "week_key"])
    return rows[["organization_id", "week_key", "entry_id", "amount", "at"]]


def _is_dark(sides: pd.DataFrame, usage: pd.DataFrame, unreadable: pd.DataFrame) -> pd.Series:
    """Whether a side could not be read. A document without a readable week may be of any week that has no other."""
    ledgers = unreadable.loc[unreadable["collection"] == "billingextrabalances", "organization_id"]
    documents = unreadable.loc[unreadable["collection"] == "billingusages"]
    of_week = pd.MultiIndex.from_frame(documents.loc[documents["week_key"].notna(), ["organization_id", "week_key"]])
    of_any = documents.loc[documents["week_key"].isna(), "organization_id"]
    week = pd.MultiIndex.from_frame(sides[["organization_id", "week_key"]])
    has_document = week.isin(pd.MultiIndex.from_frame(usage[["organization_id", "week_key"]]))
    dark = sides["organization_id"].isin(ledgers) | week.isin(of_week)
    return dark | (sides["organization_id"].isin(of_any) & ~has_document)


def _violations(rows: pd.DataFrame, units: pd.Series, sentence: Callable[[str, float, float], str]) -> pd.DataFrame:
    columns = ["week_key", "settled_units", "amount"]
    sentences = [
        sentence(str(week), float(settled), float(amount))
        for week, settled, amount in rows[columns].itertuples(index=False, name=None)
    ]
    return violations_of(rows, "settlement_half_applied", units, sentences)


def _only_key(week: str, settled: float, amount: float) -> str:
    charged = f"{settled:,.10g} units" if settled > 0 else "its units"
    return f"the settlement of {week} charged {charged} to the week, and the ledger has no adjustment for it"


def _only_entry(week: str, settled: float, amount: float) -> str:
    return f"the settlement of {week} credited {amount:,.10g} units, and the week's usage document lacks its key"


def _differ(week: str, settled: float, amount: float) -> str:
    return f"the settlement of {week} credited {amount:,.10g} units and charged {settled:,.10g} to the week at most"
