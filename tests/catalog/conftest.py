from pathlib import Path

import pytest

from tests.support.two_nights import store_two_nights


@pytest.fixture(scope="session")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of two stored nights; nobody changes it."""
    home = tmp_path_factory.mktemp("nights")
    store_two_nights(home)
    return home
