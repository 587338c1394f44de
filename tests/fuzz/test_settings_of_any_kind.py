"""Settings of any kind: they are taken, or refused in one line that holds no secret."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_dq.errors import SettingsError
from billing_dq.settings import Settings, load_settings
from tests.support.examples import hostile_examples

EXAMPLES = hostile_examples()
SECRET = "hunter2-is-secret"
INNER = ["free", "pro", "meter_quota", "prices", "url", "severity", "a.b", ""]
KEYS = sorted(Settings.model_fields)
FEW = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])

scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20),
    st.sampled_from(["apply", "off", "2026-01-01", "-1", "1e400", "../..", "s3://", "=1+1", "\x1b[31m"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(INNER), inner, max_size=3),
    ),
    max_leaves=8,
)


def toml(value: object) -> str:
    """A value in TOML's notation."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value) if value == value and abs(value) != float("inf") else "nan"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def taken_or_refused() -> None:
    try:
        load_settings()
    except SettingsError as error:
        said = str(error)
    else:
        return
    assert said
    assert "\n" not in said
    assert "Traceback" not in said
    assert SECRET not in said


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@FEW
@given(content=st.dictionaries(st.sampled_from([*KEYS, "typo"]), values, max_size=4))
def test_a_file_with_any_values_is_taken_or_refused_in_one_line(content: dict[str, object]) -> None:
    text = "\n".join(f"{name} = {toml(value)}" for name, value in content.items())
    tomllib.loads(text)
    Path("billing_dq.toml").write_text(text, encoding="utf-8")
    taken_or_refused()


@FEW
@given(content=st.binary(max_size=60))
def test_a_file_of_any_bytes_is_taken_or_refused_in_one_line(content: bytes) -> None:
    Path("billing_dq.toml").write_bytes(content)
    taken_or_refused()


@FEW
@given(
    key=st.sampled_from(KEYS),
    inner=st.sampled_from(["", "__mode", "__pro__meter_quota", "__x", "__", "__routes__ops__url"]),
    value=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30),
)
def test_variables_of_any_value_are_taken_or_refused_in_one_line(key: str, inner: str, value: str) -> None:
    Path("billing_dq.toml").unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BILLING_DQ_MONGODB_URI", f"mongodb://reader:{SECRET}@h/")
        patch.setenv("BILLING_DQ_STRIPE_API_KEY", SECRET)
        patch.setenv(f"BILLING_DQ_{key.upper()}{inner.upper()}", value)
        taken_or_refused()
