"""The rows of `LEDGER_VIOLATIONS`, as every rule of a ledger makes them."""

from collections.abc import Sequence

import pandas as pd

from billing_dq.tables import LEDGER_VIOLATIONS


def violations_of(
    rows: pd.DataFrame, rule: str, units: pd.Series | float, sentences: Sequence[str] | pd.Series
) -> pd.DataFrame:
    """A violation a row, in `LEDGER_VIOLATIONS`.

    Args:
        rows: ``organization_id``; ``entry_id`` and ``ref_id`` where the rule is about an entry.
        rule: of docs/domain.md, "Ledger".
        units: signed as money is: positive is owed to us, negative to the customer.
        sentences: what is wrong, for people.
    """
    frame = rows.assign(rule=rule, units=units, detail=sentences, compensated_by=None)
    return LEDGER_VIOLATIONS.conform(frame.reindex(columns=LEDGER_VIOLATIONS.column_names))
