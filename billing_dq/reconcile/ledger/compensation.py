"""Entries that make a broken entry good (docs/domain.md, "Ledger").

A ledger is append only: what is wrong in it is corrected by adding the opposite, and stays there for ever. A break that
was corrected is still listed, with the entry that corrects it, and no units are at stake any more.

For example: a debit of -300 is copied, and later an adjustment of +300 with the reference `correction-1` is added. The
copy is compensated by that adjustment. A second copy of -300 would need an adjustment of its own.
"""

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field

import pandas as pd

from billing_dq.reconcile.ledger.entry_rules import is_correction
from billing_dq.tables import LEDGER_VIOLATIONS
from billing_dq.units import units_of_cents
from billing_dq.vocabulary.references import CLAWBACK, OLD_CLAWBACK, TOOL_CREDIT

#: Rules whose break is undone by the opposite amount. Other breaks end when their cause does, or cannot be undone.
CORRECTABLE = (
    "duplicate_ref",
    "duplicate_session",
    "sign",
    "missing_ref",
    "unknown_kind",
    "expiry_twice",
    "expiry_too_much",
    "expiry_before_purchase",
    "grant_in_two_ledgers",
)
_CLAWBACKS = (CLAWBACK, OLD_CLAWBACK)


def with_compensations(violations: pd.DataFrame, suspects: pd.DataFrame, dollars_to_units: float) -> pd.DataFrame:
    """The violations, those that were made good with `compensated_by` and without units, in `LEDGER_VIOLATIONS`.

    An entry makes good one earlier break of its own ledger, over as many units of the opposite sign. It is

    - a refund or adjustment that a person wrote (`entry_rules.is_correction`), of exactly these units; or
    - a credit of the application's tool (`dispute-credit-<request>`). The tool takes whole cents, so it may give less
      than a cent too much. Such a credit may be a dispute's, at a ratio that is not the pack's: after a clawback of at
      least half and at most twice its units it makes good nothing but a clawback.

    Args:
        violations: `LEDGER_VIOLATIONS`; units of the rules in `CORRECTABLE` are those of the wrong amount.
        suspects: `LEDGER_SUSPECTS`, with every expiration, refund and adjustment but settlements.
        dollars_to_units: the general ratio, at which the tool gives units.
    """
    violations = violations.reset_index(drop=True)
    breaks = violations.loc[violations["rule"].isin(CORRECTABLE) & (violations["units"] != 0)]
    # An entry that breaks several rules is undone once; an entry that stands twice under one id is to be undone twice.
    breaks = breaks.assign(row=breaks.index, copy=breaks.groupby(["organization_id", "entry_id", "rule"]).cumcount())
    breaks = _undone_as_a_whole(breaks).merge(_first_positions(suspects), on=["organization_id", "entry_id"])
    breaks = breaks.sort_values(["organization_id", "position", "rule"])
    corrections = _corrections(suspects, breaks)
    by_break: dict[tuple[str, str, int, float], tuple[str, str] | None] = {}
    by_row: dict[int, tuple[str, str]] = {}
    columns = ["row", "position", "ref_id", "organization_id", "entry_id", "copy", "units"]
    # Each correction is used once, by the earliest break that it fits: a loop. Breaks are few.
    for row, position, reference, *entry in breaks[columns].itertuples(index=False, name=None):
        organization, entry_id, copy, units = entry
        key = (organization, entry_id, copy, units)
        if by_break.get(key) is None:
            of_clawback = isinstance(reference, str) and reference.startswith(_CLAWBACKS)
            by_break[key] = corrections[organization].use(position, -units, of_clawback, dollars_to_units)
        correction = by_break[key]
        if correction is not None:
            by_row[row] = correction
    ids = {row: entry_id for row, (entry_id, _) in by_row.items()}
    return LEDGER_VIOLATIONS.conform(
        violations.assign(
            units=violations["units"].mask(violations.index.isin(list(by_row)), 0.0),
            detail=[
                f"{detail}; {by_row[row][1]} makes it good" if row in by_row else detail
                for row, detail in enumerate(violations["detail"])
            ],
            compensated_by=pd.Series(ids, violations.index, dtype="str"),
        )
    )


def _undone_as_a_whole(breaks: pd.DataFrame) -> pd.DataFrame:
    """The breaks; those of an entry of the wrong sign over the units that its sign alone moved wrongly.

    Whatever else is wrong with such an entry is undone by the correction of its sign.
    """
    of_sign = breaks.loc[breaks["rule"] == "sign", ["organization_id", "entry_id", "copy", "units"]]
    with_sign = breaks.merge(of_sign, how="left", on=["organization_id", "entry_id", "copy"], suffixes=("", "_of_sign"))
    return with_sign.assign(units=with_sign["units_of_sign"].fillna(with_sign["units"])).drop(columns="units_of_sign")


@dataclass
class _Corrections:
    """The corrections of one ledger by their units, each list in commit order: position, id, and what it is in words.

    `clawbacks` are the position and units of each clawback of a dispute.
    """

    by_hand: defaultdict[float, deque[tuple[int, str, str]]] = field(default_factory=lambda: defaultdict(deque))
    by_tool: defaultdict[float, deque[tuple[int, str, str]]] = field(default_factory=lambda: defaultdict(deque))
    clawbacks: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])

    def use(self, after: int, units: float, of_clawback: bool, dollars_to_units: float) -> tuple[str, str] | None:
        """The first correction of these units after a position, which is then used up: its id and words."""
        correction = _first(self.by_hand[_key(units)], after, math.inf)
        if correction is None and units > 0:
            # The tool takes whole cents, so it may give less than a cent too much.
            by_tool = units_of_cents(math.ceil(units / dollars_to_units * 100), dollars_to_units)
            of_a_dispute = [place for place, clawed in self.clawbacks if clawed / 2 <= by_tool <= clawed * 2]
            until = math.inf if of_clawback else min(of_a_dispute, default=math.inf)
            correction = _first(self.by_tool[_key(by_tool)], after, until)
        return correction


def _corrections(suspects: pd.DataFrame, breaks: pd.DataFrame) -> defaultdict[str, _Corrections]:
    """By organization; an entry that is a break itself corrects nothing."""
    rows = suspects.loc[suspects["organization_id"].isin(breaks["organization_id"])]
    broken = pd.MultiIndex.from_frame(breaks[["organization_id", "entry_id"]])
    is_sound = ~pd.MultiIndex.from_frame(rows[["organization_id", "entry_id"]]).isin(broken)
    reference = rows["ref_id"].fillna("")
    by_tool = (rows["kind"] == "adjustment") & reference.str.startswith(TOOL_CREDIT)
    rows = rows.assign(
        is_clawback=(rows["kind"] == "refund") & reference.str.startswith(_CLAWBACKS),
        by_hand=is_sound & is_correction(rows),
        by_tool=is_sound & by_tool,
    ).sort_values(["organization_id", "position"])
    corrections: defaultdict[str, _Corrections] = defaultdict(_Corrections)
    columns = ["organization_id", "position", "entry_id", "kind", "amount", "is_clawback", "by_hand", "by_tool"]
    for organization, position, entry, kind, amount, is_clawback, by_hand, by_tool in rows[columns].itertuples(
        index=False, name=None
    ):
        of_ledger = corrections[organization]
        if is_clawback:
            of_ledger.clawbacks.append((position, -amount))
        if by_hand or by_tool:
            by_units = of_ledger.by_hand if by_hand else of_ledger.by_tool
            by_units[_key(amount)].append((position, entry, f"the {kind} {entry} of {amount:,.10g} units"))
    return corrections


def _first(corrections: deque[tuple[int, str, str]], after: int, until: float) -> tuple[str, str] | None:
    while corrections and corrections[0][0] <= after:
        corrections.popleft()  # of no use to a later break either
    if not corrections or corrections[0][0] > until:
        return None
    _, entry, what = corrections.popleft()
    return entry, what


def _first_positions(suspects: pd.DataFrame) -> pd.DataFrame:
    """organization_id, entry_id, position; of an id that stands twice the first place."""
    columns = ["organization_id", "entry_id", "position"]
    return suspects[columns].sort_values(columns).drop_duplicates(["organization_id", "entry_id"])


def _key(units: float) -> float:
    """Amounts are doubles; whole units are exact, and parts of units differ by rounding only."""
    return round(units, 6)
