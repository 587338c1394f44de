"""A night whose server cannot be read right now is tried again; one that is refused for good is not."""

import logging
from types import SimpleNamespace

import dagster as dg
import pytest

from billing_dq.defs.shards import FURTHER_ATTEMPTS, NightStep
from billing_dq.defs.snapshot import tried_again
from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake


def attempt(number: int, error: SourceError) -> None:
    """An attempt at a night, after so many others, that ends with an error."""

    def read() -> None:
        raise error

    context = SimpleNamespace(retry_number=number, log=logging.getLogger("test"))
    settings = Settings(mongodb_connect_seconds=10.0)
    step = NightStep(context, "2026-11-21", settings, Lake("nowhere"))  # pyright: ignore[reportArgumentType]
    tried_again(step, read)


@pytest.mark.parametrize(("number", "seconds"), [(0, 10.0), (1, 20.0)])
def test_what_passes_by_itself_is_tried_again_after_a_while(number: int, seconds: float) -> None:
    with pytest.raises(dg.RetryRequested) as retry:
        attempt(number, TransientSourceError("an election"))
    assert retry.value.seconds_to_wait == seconds
    assert retry.value.max_retries == FURTHER_ATTEMPTS


def test_after_enough_attempts_the_reason_is_told() -> None:
    with pytest.raises(dg.Failure, match="an election") as failure:
        attempt(FURTHER_ATTEMPTS, TransientSourceError("an election"))
    assert failure.value.allow_retries is False


def test_a_refusal_is_told_at_once() -> None:
    with pytest.raises(dg.Failure, match="no right"):
        attempt(0, SourceError("no right"))
