"""Three weeks of a simulated company, read as a night reads: all are green, and each break is red the same night."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from billing_dq.defs.quality import measured
from billing_dq.quality.judgement import is_unusual
from billing_dq.quality.measures import EVENTS, LEDGERS, USAGE, WeekAmounts
from billing_dq.quality.shape import changes
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import nights_before
from billing_dq.storage.week_amounts import entries_by_week, usage_by_week
from billing_dq.tables import DOCUMENT_SHAPES, EXTRAS_BALANCES, LEDGER_ENTRIES, NIGHT_MEASURES, WEEKLY_USAGE
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document
from billing_dq_simulation.nights import NightlyDocuments
from tests.support.held_documents import read_held
from tests.support.stored_nights import store, store_record

Documents = dict[str, list[Document]]
LAST = datetime(2026, 11, 28, 2, 15, tzinfo=UTC)  # a Saturday
NIGHTS = [LAST - timedelta(days=days) for days in reversed(range(23))]
LAUNCH, HOLIDAYS = date(2026, 11, 11), (date(2026, 11, 18), date(2026, 11, 19))
WEEKDAYS = (1.0, 1.05, 1.1, 1.05, 0.95, 0.3, 0.25)
CONFIG = WorldConfig(seed=11, organizations=80, weeks=10, trouble=1.0)


def steps(day: date) -> float:
    """Few at the weekend; twice as many from the launch on; on two days of holiday half of them."""
    return WEEKDAYS[day.weekday()] * (2.0 if day >= LAUNCH else 1.0) * (0.5 if day in HOLIDAYS else 1.0)


class Company:
    """The nights, each read, measured and judged by those before it."""

    def __init__(self, home: Path) -> None:
        self._home, self._lake = home, Lake(str(home))
        self._documents = NightlyDocuments(CONFIG, NIGHTS, steps)

    def documents(self, night: datetime) -> Documents:
        """A night's documents; of usage some are unreadable, always the same."""
        return spoiled(self._documents.documents(night), share=40)

    def judge(self, night: datetime, documents: Documents) -> set[str]:
        """Read a night, store it, and say what of it is unusual."""
        key = night.date().isoformat()
        facts = read_held(documents, night, self._home)
        store_record(self._home, facts, key)
        usage, entries = self._lake.require(WEEKLY_USAGE, key), self._lake.require(LEDGER_ENTRIES, key)
        amounts = WeekAmounts(usage_by_week(usage, facts.weeks), entries_by_week(entries, facts.weeks))
        ledger_entries = float(self._lake.require(EXTRAS_BALANCES, key).frame()["entry_count"].sum())
        table = measured(self._lake, key, facts, amounts, ledger_entries)
        store(self._home, NIGHT_MEASURES.name, key, table)
        shapes = self._lake.require(DOCUMENT_SHAPES, key).frame()
        changed = changes(shapes, nights_before(self._lake, DOCUMENT_SHAPES, key), night.date())
        odd = table[is_unusual(table)]
        verdicts = {f"{row['collection']} {row['measure']} {row['verdict']}" for row in odd.to_dict("records")}
        return verdicts | {change.sentence for change in changed}

    @property
    def not_judged(self) -> set[str]:
        """The measures of the last night that were not judged."""
        table = self._lake.require(NIGHT_MEASURES, LAST.date().isoformat()).frame()
        return set(table.loc[table["verdict"] == "not_judged", "measure"])


def spoiled(documents: Documents, share: int) -> Documents:
    """The same documents, of usage one in so many with its units as text."""
    for document in documents[USAGE]:
        if int(str(document["_id"]), 16) % share == 0:
            document["meterUsed"] = str(document["meterUsed"])
    return documents


@pytest.fixture(scope="module")
def company_nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Company, dict[date, set[str]]]:
    """The company after its nights, and what was unusual in each."""
    company = Company(tmp_path_factory.mktemp("home"))
    return company, {night.date(): company.judge(night, company.documents(night)) for night in NIGHTS}


def test_every_night_is_green_and_the_last_is_judged(company_nights: tuple[Company, dict[date, set[str]]]) -> None:
    company, unusual = company_nights
    assert {night: sentences for night, sentences in unusual.items() if sentences} == {}
    company.judge(LAST, company.documents(LAST))
    assert company.not_judged <= {"documents_of_week", "entries_of_week", "units_of_week"}


def of_three_nights_before(company: Company) -> Documents:
    """Nothing was written since: the application stands still."""
    return company.documents(NIGHTS[-4])


def twice_as_many_unreadable(company: Company) -> Documents:
    return spoiled(company.documents(LAST), share=20)


def without_plan_version(company: Company) -> Documents:
    documents = company.documents(LAST)
    for document in documents[USAGE]:
        document.pop("planVersion", None)
    return documents


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (
            of_three_nights_before,
            {
                f"{USAGE} age too_high",
                f"{LEDGERS} age too_high",
                f"{EVENTS} age too_high",
                f"{USAGE} units_a_day too_low",
                f"{LEDGERS} entries_a_day too_low",
                f"{LEDGERS} units_a_day too_low",
            },
        ),
        (twice_as_many_unreadable, {f"{USAGE} unreadable too_high"}),
        (without_plan_version, {f"{USAGE}.planVersion is gone: 100% of the documents had it"}),
    ],
)
def test_what_breaks_in_the_last_night_is_told_and_nothing_else(
    company_nights: tuple[Company, dict[date, set[str]]], broken: Callable[[Company], Documents], expected: set[str]
) -> None:
    company, _ = company_nights
    assert company.judge(LAST, broken(company)) == expected
