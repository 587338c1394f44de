"""What earlier nights knew, from the stored tables. A night looks only at earlier ones, and can be run again."""

from collections.abc import Iterator, Sequence

import pandas as pd

from billing_dq.reconcile.findings.ageing import known_before
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import DISPUTE_POSITIONS, FINDINGS, METER_EXTRAS_DELTAS, STRIPE_DISPUTES, WEEKLY_USAGE, Table

#: How many earlier nights are asked for what they resolved, to tell a finding that comes back from a new one.
_RESOLVED_NIGHTS = 30
#: Statuses after which Stripe moves no more money, but for an appeal (STRIPE.md, "Disputes").
_DECIDED = ("won", "lost", "prevented", "warning_closed")


def earlier_quotas(lake: Lake, night: str, week_keys: Sequence[str]) -> pd.DataFrame:
    """``organization_id``, ``week_key``, ``meter_quota`` as earlier nights saw the given weeks, each once."""
    columns = ["organization_id", "week_key", "meter_quota"]
    seen = WEEKLY_USAGE.empty()[columns]
    for earlier in reversed(_before(lake, WEEKLY_USAGE, night)):
        facts = SnapshotFactsRecord.of(lake.home, earlier)
        stored = lake.stored(WEEKLY_USAGE, earlier)
        if facts is None or stored is None or facts.weeks.keys[-1] < week_keys[0]:
            break
        usage = stored.frame(columns)
        seen = pd.concat([seen, usage[usage["week_key"].isin(week_keys)]]).drop_duplicates()
    return seen.reset_index(drop=True)


def closed_weeks(lake: Lake, night: str, tonight: pd.DataFrame) -> pd.DataFrame:
    """`METER_EXTRAS_DELTAS` rows of every closed week that this night or an earlier one holds, from the newest night
    that covers the week.

    Args:
        lake: the stored nights.
        night: the night.
        tonight: its own `METER_EXTRAS_DELTAS`.
    """
    return pd.concat(list(_closed_weeks(lake, night, tonight)), ignore_index=True)


def findings_before(lake: Lake, night: str) -> pd.DataFrame | None:
    """What was known before the night; None where it is the first."""
    nights = [lake.stored(FINDINGS, earlier) for earlier in _before(lake, FINDINGS, night)[-_RESOLVED_NIGHTS:]]
    return known_before([stored.frame() for stored in nights if stored is not None])


def disputes_to_read_again(lake: Lake, night: str) -> list[str]:
    """Disputes that the newest earlier night with Stripe left open, at Stripe or with units due or parked."""
    found: set[str] = set()
    for earlier in _before(lake, STRIPE_DISPUTES, night)[-1:]:
        disputes, positions = lake.stored(STRIPE_DISPUTES, earlier), lake.stored(DISPUTE_POSITIONS, earlier)
        if disputes is not None:
            frame = disputes.frame(["dispute_id", "status"])
            found.update(frame.loc[~frame["status"].isin(_DECIDED), "dispute_id"])
        if positions is not None:
            frame = positions.frame(["dispute_id", "decision"])
            found.update(frame.loc[frame["decision"].isin(["due", "parked"]), "dispute_id"])
    return sorted(found)


def _before(lake: Lake, table: Table, night: str) -> list[str]:
    return [stored for stored in lake.nights(table) if stored < night]


def _closed_weeks(lake: Lake, night: str, tonight: pd.DataFrame) -> Iterator[pd.DataFrame]:
    covered: set[str] = set()
    for stored_night in [night, *reversed(_before(lake, METER_EXTRAS_DELTAS, night))]:
        facts = SnapshotFactsRecord.of(lake.home, stored_night)
        if facts is None:
            continue
        wanted = {week for week, state in facts.weeks.states().items() if state == "closed"} - covered
        stored = lake.stored(METER_EXTRAS_DELTAS, stored_night)
        if not wanted or (stored is None and stored_night != night):
            continue
        frame = tonight if stored_night == night or stored is None else stored.frame()
        yield frame[frame["week_key"].isin(wanted)]
        covered |= wanted
    yield METER_EXTRAS_DELTAS.empty()
