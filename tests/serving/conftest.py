"""Stored nights, served."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest

from billing_dq.serving.app import application
from billing_dq.serving.server import serving
from tests.support.pure_night import sample_settings
from tests.support.stored_nights import store_sample


@dataclass(frozen=True)
class Served:
    """Two nights of the sample.

    Attributes:
        home: where they are stored.
        address: where they are served, with a slash at its end.
        organization: one that lost a debit in 2026-W46, before the second night.
    """

    home: Path
    address: str
    organization: str


@pytest.fixture(scope="session")
def served(
    tmp_path_factory: pytest.TempPathFactory, sample_documents: dict[str, list[dict[str, object]]]
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    organization = store_sample(home, deepcopy(sample_documents))
    with serving(application(sample_settings(home=str(home))), 0) as address:
        yield Served(home, address, organization)
