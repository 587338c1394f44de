"""Files with rules of any kind are read, or refused in one line that names the file. What is read can be judged."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing_dq.rules import query_process
from billing_dq.rules.judging import NightTables, judge_rules
from billing_dq.rules.kinds import KINDS
from billing_dq.rules.reading import read_file, read_folder
from billing_dq.rules.results import store as store_result
from billing_dq.rules.results import verdicts_of
from billing_dq.rules.suites import Rule, RuleError
from billing_dq.tables import TABLES
from tests.support.examples import hostile_examples
from tests.support.stored_company import CONFIG, NIGHT, store

EXAMPLES = hostile_examples()
FEW = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
JUDGED = settings(max_examples=EXAMPLES // 10, suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS = sorted({column.name for table in TABLES.values() for column in table.columns})
ARGUMENTS = sorted({name for kind in KINDS.values() for name in (*kind.arguments, *kind.one_of)} | {"typo"})
QUERIES = (
    "select * from weekly_usage",
    "select organization_id from weekly_usage where meter_used < 0",
    "select 1/0 from weekly_usage",
    "select meter_used.x from weekly_usage",
    "select * from weekly_usage, ledger_entries",
    "drop table weekly_usage",
    "copy weekly_usage to '/tmp/x'",
    "select * from read_csv('/etc/passwd')",
    "select * from nowhere; select 2",
    "with recursive r as (select 1 union all select 1 from r) select * from weekly_usage limit 0",
    "'",
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=4),
    st.sampled_from([*COLUMNS[:12], "(", "[a", ".*", "2026-02-30", "\x1b[31m", "1e999"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(scalars, inner, max_size=2)),
    max_leaves=6,
)
arguments = st.dictionaries(
    st.sampled_from(ARGUMENTS),
    st.one_of(st.sampled_from(COLUMNS), st.lists(st.sampled_from(COLUMNS)), values),
    max_size=4,
)
#: Rules that are nearly right, each of whose values may be anything.
rules = st.fixed_dictionaries(
    {
        "name": st.one_of(st.sampled_from(["a", "b_2"]), values),
        "table": st.one_of(st.sampled_from(sorted(TABLES)), values),
        "severity": st.one_of(st.sampled_from(["warning", "critical"]), values),
        "note": st.one_of(st.just("Said."), values),
        "owner": st.one_of(st.just("anna"), values),
    },
    optional={
        "expectation": st.one_of(st.sampled_from(sorted(KINDS)), values),
        "arguments": st.one_of(arguments, values),
        "sql": st.one_of(st.sampled_from(QUERIES), st.text(max_size=30), values),
        "typo": values,
    },
)
#: Rules whose arguments alone are anything, so that many of them are taken.
taken = st.builds(
    lambda kind, given: (
        {"name": "a", "table": "weekly_usage", "severity": "warning", "note": "Said.", "owner": "anna"}
        | ({"expectation": kind, "arguments": given} if kind in KINDS else {"sql": kind})
    ),
    st.one_of(st.sampled_from(sorted(KINDS)), st.sampled_from(QUERIES)),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.sampled_from([column.name for column in TABLES["weekly_usage"].columns])
            if name.startswith("column")
            else st.one_of(st.integers(-5, 5), st.booleans(), st.just("^a"), st.lists(scalars, max_size=3), scalars)
            for name in ARGUMENTS
            if name not in ("column_list", "typo")
        },
    ),
)


@pytest.fixture(autouse=True)
def _queries_that_never_end_are_stopped_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_process, "SECONDS", 5.0)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> NightTables:
    """A stored night of a clean company."""
    return store(tmp_path_factory.mktemp("home"), {})


def is_one_line(said: str) -> bool:
    return bool(said) and "\n" not in said and "Traceback" not in said


def read(path: Path) -> tuple[list[Rule], str]:
    """The rules of a file, or why it is refused."""
    try:
        return read_file(path), ""
    except RuleError as error:
        return [], str(error)


def is_read_or_refused(path: Path) -> None:
    """Both ways in: the command reads a file, a night the folder."""
    found, refused = read(path)
    assert bool(found) != bool(refused)
    assert not refused or (is_one_line(refused) and refused.startswith(f"{path}:")), refused
    assert read_folder(path.parent).refused == ((refused,) if refused else ())


@FEW
@given(content=st.binary(max_size=80))
def test_a_file_of_any_bytes_is_refused_in_one_line_that_names_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_bytes(content)
    is_read_or_refused(tmp_path / "rules.yaml")


@FEW
@example(text="&a [*a]")
@example(text="a: &a [x]\nb: *a")
@example(text="[" * 3000)
@example(text="name: !!bool x")
@example(text="name: !!timestamp x")
@example(text="name: !!int ''")
@example(text="name: '\n\nx\ty'\ntable: |\n  a\n  b")
@given(text=st.text(st.sampled_from("abc: -[]{}&*!|>'\"%@`#?,\n\t0<~."), max_size=60))
def test_text_of_the_signs_of_yaml_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    is_read_or_refused(tmp_path / "rules.yaml")


@FEW
@given(content=st.one_of(rules, st.lists(rules, max_size=2), values))
def test_rules_with_any_values_are_read_or_refused_in_one_line(content: object, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    is_read_or_refused(tmp_path / "rules.yaml")


@JUDGED
@given(content=taken)
def test_a_rule_that_is_read_is_judged_or_says_in_one_line_why_not(
    content: object, tmp_path: Path, night: NightTables
) -> None:
    (tmp_path / "rule.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    rules, refused = read(tmp_path / "rule.yaml")
    assert rules or is_one_line(refused)
    for rule in rules:
        results = judge_rules(night, rule.table, [rule])
        assert all(is_one_line(verdict.sentence) for verdict in verdicts_of(results))
        store_result(night.lake, NIGHT, rule.table, CONFIG.as_of, results)
