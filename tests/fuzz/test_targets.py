"""What the guided runs start from does no harm."""

import pytest

from tests.fuzz.targets import TARGETS, seeds


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_takes_the_inputs_from_which_a_run_starts(
    target: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))  # a target may go elsewhere; afterwards we are back
    found = list(seeds(target))
    assert found
    for seed in found:
        TARGETS[target](seed)
