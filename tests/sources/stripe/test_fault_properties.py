"""Faults in any combination end in the complete reading or in one clear line."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.errors import SourceError
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import serve
from tests.support.examples import examples
from tests.support.stripe_company import AS_OF_SECONDS, dispute, movement, subscription
from tests.support.stripe_night import KEY, FakeClock, no_waits_of_the_sdk, read

COMPANY = {
    "subscriptions": [subscription(f"sub_{number}", created=AS_OF_SECONDS - number) for number in range(130)],
    "disputes": [dispute(f"du_{number}", movement(-500)) for number in range(3)],
}


@pytest.fixture(scope="module", autouse=True)
def _without_waits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        no_waits_of_the_sdk(patch)
        yield


@examples(40)
@given(
    faults=st.builds(
        Faults,
        too_many=st.integers(0, 3),
        retry_after=st.sampled_from([None, "1", "soon"]),
        failing=st.integers(0, 4),
        cut_off=st.integers(0, 3),
        garbled=st.integers(0, 3),
        half_pages=st.booleans(),
        same_page=st.booleans(),
        insert_while_paging=st.booleans(),
        older_shape=st.booleans(),
    )
)
def test_any_faults_end_in_the_complete_reading_or_in_one_line(faults: Faults) -> None:
    with serve(COMPANY, faults=faults) as local:
        try:
            frames = read(local, clock=FakeClock()).frames
        except SourceError as error:
            line = str(error)
        else:
            line = ""
            assert {f"sub_{number}" for number in range(130)} <= set(frames["stripe_subscriptions"].iloc[:, 0])
            assert set(frames["stripe_disputes"]["dispute_id"]) == {"du_0", "du_1", "du_2"}
            assert frames["quarantined_stripe_objects"].empty
    assert "\n" not in line
    assert KEY not in line
