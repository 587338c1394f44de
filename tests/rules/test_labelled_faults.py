"""In the simulated company every expectation is broken by a labelled fault, and the fault breaks no other.

Each fault befalls an organization of its own; the company is read once, as a night reads it, and judged once. Which
expectations a fault broke is told by the failing rows.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from billing_dq.rules.judging import NightTables, judge_suite
from billing_dq.rules.results import ROWS, Verdict, verdicts_of
from billing_dq.rules.suites import names_in_use, suite_of
from billing_dq.settings import Settings
from billing_dq.sources.progress import SilentProgress
from billing_dq.sources.stripe.api import read_stripe
from billing_dq.storage.lake import Lake
from billing_dq.tables import QUARANTINED_DOCUMENTS, QUARANTINED_STRIPE_OBJECTS
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE
from billing_dq_simulation import local_stripe
from billing_dq_simulation.config import WorldConfig, world_settings
from billing_dq_simulation.faults.tables.catalogue import MADE_BY_THE_READING, TABLE_FAULTS, Broken, broken_company
from billing_dq_simulation.labels import Document, SimulatedOrganization
from billing_dq_simulation.world import account_objects
from tests.support.held_documents import read_held
from tests.support.stored_nights import store

CONFIG = WorldConfig(seed=5, organizations=240, weeks=6, trouble=1.0)
NIGHT = CONFIG.as_of.date().isoformat()
PLANS = tuple(sorted(world_settings(CONFIG)["plans"]))  # type: ignore[call-overload]
SOURCES = (*OF_MONGODB, *OF_STRIPE)
LET_THROUGH = [name for name, fault in TABLE_FAULTS.items() if fault.red]
PUT_ASIDE = [name for name, fault in TABLE_FAULTS.items() if not fault.red]


@dataclass(frozen=True)
class Judged:
    """What the night says of the company: the verdicts by table, and the ids of what was put aside."""

    broken: Mapping[str, Broken]
    verdicts: Mapping[str, list[Verdict]]
    put_aside: frozenset[str]

    def red_because_of(self, fault: str) -> set[str]:
        """The expectations with a failing row of the organization that the fault befell."""
        ids = self.broken[fault].ids
        return {
            f"{table}.{verdict.name}"
            for table, verdicts in self.verdicts.items()
            for verdict in verdicts
            if any(ids & {str(value) for value in row.values()} for row in verdict.rows)
        }


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The company, read and judged once."""
    home = tmp_path_factory.mktemp("home")
    broken, sound = broken_company(CONFIG)
    organizations = [*(item.organization for item in broken), *sound]
    read_held(_together("documents", organizations), CONFIG.as_of, home)
    with local_stripe.serve({**_together("stripe", organizations), **account_objects()}) as stripe:
        settings = Settings.model_validate(
            {**world_settings(CONFIG), "stripe_base_url": stripe.url, "stripe_api_key": "rk_live_x"}
        )
        reading = read_stripe(settings, CONFIG.as_of, [], SilentProgress())
    assert reading.absent == {}
    for name, frame in reading.frames.items():
        store(home, name, NIGHT, frame)
    night = NightTables(Lake(str(home)), NIGHT, CONFIG.as_of, PLANS)
    verdicts = {name: verdicts_of(judge_suite(night, name, suite_of(name))) for name in SOURCES}
    documents = night.require(QUARANTINED_DOCUMENTS.name).frame()["document_id"]
    objects = night.require(QUARANTINED_STRIPE_OBJECTS.name).frame()["document_id"]
    return Judged({item.fault: item for item in broken}, verdicts, frozenset([*documents, *objects]))


def _together(part: str, organizations: list[SimulatedOrganization]) -> dict[str, list[Document]]:
    together: dict[str, list[Document]] = defaultdict(list)
    for organization in organizations:
        for name, rows in getattr(organization, part).items():
            together[name] += rows
    return together


def test_every_expectation_has_a_label() -> None:
    expected = {f"{table}.{name}" for table, name in names_in_use()}
    red = {check for fault in TABLE_FAULTS.values() for check in fault.red}
    guarded = {check for fault in TABLE_FAULTS.values() for check in fault.guarded}
    assert red | guarded | set(MADE_BY_THE_READING) == expected
    assert not red & (guarded | set(MADE_BY_THE_READING))
    assert not guarded & set(MADE_BY_THE_READING)


def test_a_fault_that_breaks_two_expectations_says_why() -> None:
    assert all(bool(fault.why) == (len(fault.red) > 1) for fault in TABLE_FAULTS.values())


@pytest.mark.parametrize("fault", LET_THROUGH)
def test_a_fault_breaks_exactly_the_expectations_of_its_label(judged: Judged, fault: str) -> None:
    assert judged.red_because_of(fault) == set(TABLE_FAULTS[fault].red)
    assert not judged.put_aside & judged.broken[fault].ids


@pytest.mark.parametrize("fault", PUT_ASIDE)
def test_what_the_reading_puts_aside_is_quarantined_and_no_expectation_is_broken(judged: Judged, fault: str) -> None:
    assert judged.put_aside & judged.broken[fault].ids
    assert judged.red_because_of(fault) == set()


def test_nobody_else_breaks_an_expectation(judged: Judged) -> None:
    ids = frozenset().union(*(item.ids for item in judged.broken.values()))
    for verdict in (verdict for verdicts in judged.verdicts.values() for verdict in verdicts):
        assert verdict.passed or verdict.sentence.endswith("rows break it"), verdict
        assert verdict.broken == len(verdict.rows) < ROWS, verdict
        for row in verdict.rows:
            assert ids & {str(value) for value in row.values()}, (verdict.name, row)
