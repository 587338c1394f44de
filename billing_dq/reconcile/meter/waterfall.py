"""The way from one organization's usage to its debits, line by line, for a person who wants to check it.

Nothing is judged here: the lines are a stored row of `meter_extras_deltas`, its evidence, and the keys and entries
behind them, put in an order in which they add up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.meter.quota.free_usage import explainable_band
from billing_dq.reconcile.meter.sentences import number
from billing_dq.vocabulary.references import SETTLEMENT


@dataclass(frozen=True)
class Line:
    """One line: what it is, its units (None where it is a remark), and where they come from."""

    name: str
    units: float | None
    note: str = ""


@dataclass(frozen=True)
class Step:
    """A key of the usage document, in commit order, with the debit that carries it, wherever that is dated."""

    key: str
    debited: float | None
    at: datetime | None
    entry_id: str | None
    remark: str


@dataclass(frozen=True)
class Entry:
    """A debit or settlement dated in the week that belongs to no key of its document."""

    entry_id: str
    kind: str
    ref_id: str | None
    amount: float
    at: datetime
    remark: str


@dataclass(frozen=True)
class Waterfall:
    """Everything about one organization's week."""

    lines: tuple[Line, ...]
    steps: tuple[Step, ...]
    other_entries: tuple[Entry, ...]


def waterfall(
    delta: Mapping[str, object],
    evidence: pd.DataFrame,
    usage: pd.DataFrame,
    entries: pd.DataFrame,
    bounds: tuple[datetime, datetime],
    plan_quotas: Iterable[float],
) -> Waterfall:
    """Put the evidence of an organization's week in order.

    Args:
        delta: the row of METER_EXTRAS_DELTAS.
        evidence: METER_EXTRAS_EVIDENCE of that row.
        usage: WEEKLY_USAGE of the organization, all weeks that were read.
        entries: LEDGER_ENTRIES of the organization.
        bounds: start and end of the week.
        plan_quotas: of the plans that the subscription may have had after the document's.
    """
    document = usage[usage["week_key"] == delta["week_key"]]
    keys = _texts(document["attribution_keys"].iloc[0]) if len(document) else []
    remarks = _remarks(evidence)
    carriers = _first_by_ref(entries)
    dated = entries[(entries["at"] >= bounds[0]) & (entries["at"] < bounds[1])]
    meant = dated["kind"].eq("debit") | dated["ref_id"].str.startswith(SETTLEMENT)
    other_entries = [
        Entry(
            entry_id=str(row["entry_id"]),
            kind=str(row["kind"]),
            ref_id=_text(row["ref_id"]),
            amount=_float(row["amount"]),
            at=pd.Timestamp(str(row["at"])).to_pydatetime(),
            remark=remarks.get(str(row["entry_id"]), ""),
        )
        for row in dated[meant].to_dict("records")
        if row["ref_id"] not in keys or carriers[str(row["ref_id"])]["entry_id"] != row["entry_id"]
    ]
    return Waterfall(
        lines=tuple(_lines(delta, evidence, document, usage, plan_quotas)),
        steps=tuple(_step(key, carriers.get(key), remarks) for key in keys),
        other_entries=tuple(other_entries),
    )


def _lines(
    delta: Mapping[str, object],
    evidence: pd.DataFrame,
    document: pd.DataFrame,
    usage: pd.DataFrame,
    plan_quotas: Iterable[float],
) -> list[Line]:
    used, quota = _float(delta["meter_used"]), _float(delta["meter_quota"])
    settled = _float(document["settled_units"].fillna(0.0).iloc[0]) if len(document) else 0.0
    lines = [Line("used", used, "meterUsed" if len(document) else "no usage document: 0")]
    if settled:
        lines.append(Line("of it by a settlement", settled, "nothing is debited for it"))
    lines.append(Line("quota", quota, "meterQuota" if len(document) else "no usage document: 0"))
    lines.append(Line("expected", _float(delta["expected_units"]), _rule_in_words(used, quota)))
    before = usage[usage["week_key"] < str(delta["week_key"])].sort_values("week_key")["meter_quota"]
    around = [quota, *(_float(quota_of_week) for quota_of_week in before.iloc[-1:]), *plan_quotas]
    quotas = sorted(set(around))
    low, high = explainable_band(used, settled, quotas)
    quota_texts = ", ".join(number(quota_of_week) for quota_of_week in quotas)
    lines.append(Line("explainable from", low, f"quotas around this week: {quota_texts}"))
    lines.append(Line("explainable up to", high, "so many debits for its keys at most"))
    for item in evidence.to_dict("records"):
        proof = f"{item['rule']}, {item['confidence']} {_text(item['ref_id']) or ''}".rstrip()
        lines.append(Line(str(item["cause"]), -_float(item["units"]), proof))
    lines.append(Line("debited", _float(delta["actual_units"]), "debits dated in the week"))
    lines.append(Line("delta", _float(delta["delta_units"]), "expected less debited: positive is undercharged"))
    lines.append(Line("tolerance", _float(delta["tolerance_units"])))
    lines.append(Line("explained", _float(delta["explained_units"]), "by the application's design"))
    lines.append(Line("unexplained", _float(delta["unexplained_units"])))
    return lines


def _rule_in_words(used: float, quota: float) -> str:
    if quota == 0:
        return "quota 0: all of the usage"
    return f"max(0, {number(used)} - {number(quota)})"


def _step(key: str, carrier: Mapping[str, object] | None, remarks: Mapping[str, str]) -> Step:
    if carrier is None:
        return Step(key, None, None, None, remarks.get(key, "no entry"))
    return Step(
        key=key,
        debited=-_float(carrier["amount"]),
        at=pd.Timestamp(str(carrier["at"])).to_pydatetime(),
        entry_id=str(carrier["entry_id"]),
        remark=remarks.get(str(carrier["entry_id"]), "settlement" if key.startswith(SETTLEMENT) else ""),
    )


def _first_by_ref(entries: pd.DataFrame) -> dict[str, Mapping[str, object]]:
    """The first debit or adjustment of each reference, in commit order."""
    meant = entries[entries["kind"].isin(["debit", "adjustment"]) & entries["ref_id"].notna()]
    first = meant.sort_values("position").drop_duplicates("ref_id")
    return {str(row["ref_id"]): {str(name): row[name] for name in row} for row in first.to_dict("records")}


def _remarks(evidence: pd.DataFrame) -> dict[str, str]:
    """What the evidence says of an entry, or of a key that has none."""
    remarks: dict[str, str] = {}
    for item in evidence.to_dict("records"):
        subject = _text(item["entry_id"]) or _text(item["ref_id"])
        if subject:
            remarks[subject] = f"{item['cause']} ({item['rule']})"
    return remarks


def _texts(values: Sequence[object]) -> list[str]:
    return [str(value) for value in values]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _float(value: object) -> float:
    if not isinstance(value, float | int):
        raise TypeError(f"{value!r} is no number of units")
    return float(value)
