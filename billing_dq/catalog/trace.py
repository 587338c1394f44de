"""What the stored nights know of one id, in time order: its events, and those of what hangs on it at Stripe.

A charge brings its session, refunds and disputes along, a subscription its invoices and events, a finding what it is
about. A row that says the same on several nights is one event, of the first of them.
"""

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Final

import duckdb
import pandas as pd

from billing_dq.tables import TABLES, Table

#: The columns of an event. ``at``: its instant, else the snapshot of ``night``, which saw it first; ``last_night`` saw
#: it last; ``source``: the table; ``text``: its other columns.
EVENT_COLUMNS: Final = ["at", "night", "last_night", "source", "organization_id", "text"]
#: Columns that tell something by themselves or change every night: rows that differ in them only are one event.
_LEFT_OUT: Final = frozenset(
    {
        "organization_id",
        "attribution_keys",
        "cached_balance_at",
        "changed_at",
        "charge_amount_minor",
        "current_period_start",
        "digest",
        "document_bytes",
        "first_seen",
        "last_invoice_event_at",
        "last_seen",
        "last_subscription_event_at",
        "livemode",
        "nights_open",
        "position",
        "runbook",
        "tolerance_units",
        "updated_at",
    }
)
#: Tables that no id is found in, or that repeat others.
_PASSED_OVER: Final = {"column_profiles", "document_shapes", "ledger_seals", "night_measures", "nightly_report"}
_TRACED: Final = [table for name, table in TABLES.items() if name not in _PASSED_OVER]
_ID_COLUMNS: Final = {
    name
    for table in _TRACED
    for name in table.column_names
    if (name.endswith("_id") and name != "ref_id") or name in ("subject", "compensated_by")
}
#: Ids at Stripe that lead to more of the same purchase or subscription.
_LEADS: Final = r"^(ch|py|re|pyr|du|dp|cs|sub|in|evt)_\w+$"
_INSTANTS: Final = ("at", "created", "paid_at")
_LISTS: Final = frozenset({"list<str>", "list<movement>"})


def trace(database: duckdb.DuckDBPyConnection, searched: str) -> pd.DataFrame:
    """The events of an id; no row where no stored night has it.

    Args:
        database: of `views.nights_database`.
        searched: an organization, attribution key, session, charge, refund, dispute, subscription, customer, invoice,
            event, ledger entry, document or finding.

    Returns:
        `EVENT_COLUMNS`, oldest first.
    """
    ids, rows = {searched}, dict[str, pd.DataFrame]()
    while True:
        rows = {table.name: _rows(database, table, sorted(ids)) for table in _TRACED}
        more = ids | _led_to(rows)
        if more == ids:
            break
        ids = more
    instants = dict(database.execute("SELECT night, as_of FROM nights").fetchall())
    return events(rows, {f"{night}": as_of for night, as_of in instants.items()})


def events(rows: Mapping[str, pd.DataFrame], snapshots: Mapping[str, datetime]) -> pd.DataFrame:
    """Rows of some tables as events in time order.

    Args:
        rows: by table, with ``night`` and ``last_night``, YYYY-MM-DD, in which a row was seen first and last.
        snapshots: the instant of each night's snapshot.

    Returns:
        `EVENT_COLUMNS`, oldest first. An entry of a ledger is one event, whichever tables have it; the movements of a
        dispute's money are events of their own.
    """
    parts = [_events_of(name, frame, snapshots) for name, frame in rows.items() if len(frame)]
    if "stripe_disputes" in rows:
        parts.append(_movements(rows["stripe_disputes"]))
    if not parts:
        return pd.DataFrame(columns=EVENT_COLUMNS)
    joined = pd.concat(parts, ignore_index=True)
    is_repeated = joined["entry_id"].notna() & joined.duplicated(["organization_id", "entry_id", "at"])
    ordered = joined[~is_repeated].sort_values(["at", "night", "source", "text"], kind="stable")
    return ordered[EVENT_COLUMNS].reset_index(drop=True)


def _rows(database: duckdb.DuckDBPyConnection, table: Table, ids: list[str]) -> pd.DataFrame:
    """The rows of a table that have one of the ids, each once."""
    names = set(table.column_names)
    conditions = [f"{name} IN (SELECT unnest($ids))" for name in table.column_names if name in _ID_COLUMNS]
    if "ref_id" in names:  # refund-<refund>-<entry>, dispute_<dispute>, <history>:<step>
        parts = "regexp_split_to_array(regexp_replace(ref_id, 'dispute_(reinstate_)?', ''), '[-:]')"
        conditions.append(f"ref_id IN (SELECT unnest($ids)) OR list_has_any({parts}, $ids)")
    if "attribution_keys" in names:
        conditions.append("list_has_any(attribution_keys, $ids)")
    if not conditions:
        return pd.DataFrame()
    columns = ", ".join(f'"{name}"' for name in table.column_names if name not in _LEFT_OUT - {"organization_id"})
    return database.execute(
        f"SELECT {columns}, CAST(min(night) AS VARCHAR) AS night, CAST(max(night) AS VARCHAR) AS last_night "
        f"FROM {table.name} WHERE {' OR '.join(conditions)} GROUP BY ALL",
        {"ids": ids},
    ).df()


def _led_to(rows: Mapping[str, pd.DataFrame]) -> set[str]:
    columns = [
        frame[name].dropna().astype("str") for frame in rows.values() for name in _ID_COLUMNS & set(frame.columns)
    ]
    return {text for column in columns for text in column[column.str.match(_LEADS)]}


def _events_of(name: str, frame: pd.DataFrame, snapshots: Mapping[str, datetime]) -> pd.DataFrame:
    seen_at = pd.to_datetime(frame["night"].map(snapshots), utc=True)
    instant = next((column for column in _INSTANTS if column in frame.columns), None)
    columns = [
        column.name
        for column in TABLES[name].columns
        if column.name not in _LEFT_OUT | {instant} and column.dtype not in _LISTS and column.name in frame.columns
    ]
    empty = pd.Series(None, frame.index, dtype="object")
    return pd.DataFrame(
        {
            "at": seen_at if instant is None else pd.to_datetime(frame[instant], utc=True).fillna(seen_at),
            "night": frame["night"],
            "last_night": frame["last_night"],
            "source": name,
            "organization_id": frame.get("organization_id", empty),
            "entry_id": frame["entry_id"] if instant == "at" and "entry_id" in frame.columns else empty,
            "text": [_text(row) for row in frame[columns].to_dict("records")],
        }
    )


def _movements(disputes: pd.DataFrame) -> pd.DataFrame:
    moved = disputes.explode("movements").dropna(subset="movements")
    of_dispute, of_movement = (
        ("night", "last_night", "organization_id"),
        ("amount_minor", "currency", "reporting_category"),
    )
    rows = [
        {
            **{name: dispute[name] for name in of_dispute},
            "at": pd.Timestamp(dispute["movements"]["created"]),
            "source": "stripe_disputes.movements",
            "text": _text({name: dispute["movements"][name] for name in of_movement}),
        }
        for dispute in moved.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=[*EVENT_COLUMNS, "entry_id"]).drop_duplicates(["at", "text"])


def _text(row: Mapping[Hashable, object]) -> str:
    """The columns that have a value, a name and a value each."""
    return ", ".join(f"{name}: {_word(value)}" for name, value in row.items() if not pd.isna(value))  # type: ignore[call-overload]


def _word(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    return f"{value:,.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
