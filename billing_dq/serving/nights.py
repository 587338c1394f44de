"""The list of the stored nights, a sentence each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.reconcile.findings.standing import is_new, is_open, verdicts
from billing_dq.report.night import Lacks, read_absent, read_findings
from billing_dq.report.words import headline
from billing_dq.serving.lake import DAMAGE
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import ReconciliationRecord, SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import FINDINGS, METER_EXTRAS_DELTAS, NIGHTLY_REPORT

#: Nights on one page of the list.
LISTED = 30
#: When a file was written last, and its size; None: there is none.
_Stamp = tuple[float, int] | None


@dataclass(frozen=True)
class NightLine:
    """A night in the list.

    Attributes:
        night: YYYY-MM-DD.
        verdict: whether money is leaking, in a word or two.
        sentence: what is new, what is owed either way, since when.
        open: findings that are open, whatever they amount to.
        new: how many of them are new.
        resolved: findings that the night resolved.
    """

    night: str
    verdict: str
    sentence: str
    open: int | None = None
    new: int | None = None
    resolved: int | None = None


def stored_nights(lake: Lake) -> list[str]:
    """The nights that have a report, newest first."""
    return lake.nights(NIGHTLY_REPORT)[::-1]


def night_lines(lake: Lake, nights: Sequence[str]) -> list[NightLine]:
    """The lines of some nights; a night that is stored in part only, or cannot be read, says so in its own line."""
    accepted = _stamp(AcceptanceLog(lake.home).path)
    return [_line(lake, night, (accepted, *_stamps_of(lake, night))) for night in nights]


def _stamps_of(lake: Lake, night: str) -> tuple[_Stamp, ...]:
    tables = [lake.root / table.name / f"{night}.parquet" for table in (FINDINGS, METER_EXTRAS_DELTAS)]
    records = [record.path(lake.home, night) for record in (StripeReadingRecord, ReconciliationRecord)]
    return tuple(_stamp(path) for path in (*tables, *records))


def _stamp(path: UPath) -> _Stamp:
    if not path.exists():
        return None
    stat = path.stat()
    return stat.st_mtime, stat.st_size


@lru_cache(maxsize=1_000)
def _line(lake: Lake, night: str, stamps: tuple[_Stamp, ...]) -> NightLine:
    """A line, made once for each state of the files that it is made of: a page has many, and stored nights stay."""
    try:
        findings = read_findings(lake, night)
        stripe = StripeReadingRecord.require(lake.home, night)
        snapshot = SnapshotFactsRecord.require(lake.home, night)
    except SourceError:
        return NightLine(night, "Not whole.", "A part of this night is missing: it is being taken, or it failed.")
    except DAMAGE:
        return NightLine(night, "Damaged.", f"`billing-dq doctor --night {night}` says which file of it.")
    lacks = Lacks(snapshot.incomplete_because, read_absent(lake, night))
    verdict, sentence = headline(findings, verdicts(findings), stripe, night, lacks)
    still_open = is_open(findings)
    return NightLine(
        night,
        verdict,
        sentence,
        open=int(still_open.sum()),
        new=int(is_new(findings).sum()),
        resolved=int((~still_open).sum()),
    )
