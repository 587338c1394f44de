"""The sample's night through Dagster, taken once a process: who changes something of it takes a copy."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import dagster as dg
from pymongo.database import Database

from billing_dq.runner import DAGSTER_YAML, StoredNight, run_night
from billing_dq.settings import Settings
from billing_dq_simulation.local_stripe import LocalStripe, serve
from tests.support.worlds import SAMPLE_AS_OF, load_documents, sample_settings, sample_stripe


@dataclass(frozen=True)
class SampleNight:
    """A night of the sample that was taken, and everything to take another."""

    settings: Settings
    instance: dg.DagsterInstance
    stripe: LocalStripe
    result: StoredNight

    def settings_of(self, home: Path | str) -> Settings:
        """The settings for another home."""
        return self.settings.model_copy(update={"home": str(home)})

    def copied_to(self, home: Path) -> Self:
        """The same night in a home of its own."""
        shutil.copytree(self.settings.home, home, dirs_exist_ok=True)
        return replace(self, settings=self.settings_of(home))


@contextmanager
def taken_sample_night(
    uri: str,
    database: Database[dict[str, object]],
    documents: dict[str, list[dict[str, object]]],
    home: Path,
    dagster: Path,
) -> Iterator[SampleNight]:
    """Load the documents and take the night; its Stripe answers while the block lasts."""
    (dagster / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    load_documents(database, documents)
    with (
        serve(sample_stripe()) as stripe,
        dg.DagsterInstance.from_config(str(dagster)) as instance,
    ):
        settings = sample_settings(home, uri, database.name, stripe.url)
        yield SampleNight(settings, instance, stripe, run_night(settings, instance, SAMPLE_AS_OF))
