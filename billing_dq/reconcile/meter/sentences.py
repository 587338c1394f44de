"""One sentence for people about an organization's week, with the arithmetic."""

from collections.abc import Sequence

from billing_dq.reconcile.meter.causes import CANCELLATION, CAUSE_ORDER, Cause, Piece

EXACT = "Exactly what was expected was debited."

_CLAUSES = {
    Cause.DUPLICATE_DEBIT: "{units} were debited a second time",
    Cause.REPLAYED_ACROSS_WEEKS: "{units} were counted in two weeks and debited once",
    Cause.DEBIT_WITHOUT_USAGE: "{units} were debited for keys that no usage document holds",
    Cause.SETTLEMENT_HALF_APPLIED: "a settlement is on one side only or its amounts differ, by {units} here",
    Cause.SETTLEMENT_TIMING: "{units} were added by the weekly settlement, for which nothing is debited",
    Cause.LATE_DEBIT: "{units} were used minutes before the snapshot and may be debited yet",
    Cause.MISSING_DEBIT: "{units} were used and never debited",
    Cause.NO_USAGE_DOCUMENT: "{units} were debited in a week without a usage document",
    Cause.NO_BALANCE_DOCUMENT: "{units} were never debited, as there is no balance document",
    Cause.DEBIT_ALTERED: "all keys were debited, but by {units} other than they should have been",
    Cause.UNEXPLAINED: "{units} remain unexplained",
}


def number(units: float) -> str:
    """Units for people: thousands apart, no decimals where there are none."""
    return f"{units:,.0f}" if units == int(units) else f"{units:,.2f}"


def explain_in_words(used: float, quota: float, expected: float, actual: float, pieces: Sequence[Piece]) -> str:
    """The sentence of a week that could be read; pieces of one cause and sign are told together."""
    start = f"{number(used)} used of {number(quota)}: {number(expected)} expected, {number(actual)} debited"
    clauses = [
        _clause(cause, told)
        for cause in CAUSE_ORDER
        for over in (True, False)
        if (told := [piece for piece in pieces if piece.cause is cause and (piece.units >= 0) is over])
    ]
    return "; ".join([start, *clauses]) + "."


def unreadable_in_words(usage_is_dark: bool, ledger_is_dark: bool) -> str:
    """The sentence of a week that was not compared."""
    sides = [name for name, dark in (("usage document", usage_is_dark), ("balance document", ledger_is_dark)) if dark]
    return f"Not compared: the {' and the '.join(sides)} could not be read."


def _clause(cause: Cause, pieces: Sequence[Piece]) -> str:
    total = sum(piece.units for piece in pieces)
    units = number(abs(total))
    if cause is Cause.BOUNDARY_SKEW:
        where = "in a neighbouring week for usage of this one" if total > 0 else "here for usage of a neighbouring week"
        return f"{units} were debited {where}"
    if cause is Cause.QUOTA_CHANGED:
        if total < 0:
            return f"the plan changed in mid-week, and {units} were debited under the other quota"
        return f"the plan changed in mid-week, and {units} were within the quota of that time"
    if cause is Cause.USAGE_RESET:
        why = "a cancellation" if pieces[0].rule == CANCELLATION else "something other than a cancellation"
        return f"{why} set the meter to 0, and {units} had been debited before"
    return _CLAUSES[cause].format(units=units)
