"""What is expected of the tables, and the rules of analysts, as Dagster checks: one for each table and severity.

A red check names the expectations that are not met, with the first rows. The tables that the night reads were judged
before anything rests on them (`soundness`); a rule that reads a result is judged here, when all tables stand. What
could not be judged is red, and says why.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from upath import UPath

from billing_dq.defs.checks.night_checks import night_check
from billing_dq.defs.checks.soundness import is_judged_first
from billing_dq.defs.pages.metadata import Metadata, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.reconcile.soundness import RESTS_ON
from billing_dq.rules import results
from billing_dq.rules.judging import NightTables, judge_rules
from billing_dq.rules.reading import FolderRules
from billing_dq.rules.results import ROWS, Plain, Verdict
from billing_dq.rules.rule import Rule
from billing_dq.rules.suites import Expectation, suite_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord
from billing_dq.tables import COLUMN_PROFILES, NIGHTLY_REPORT
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

RUNBOOK = "broken_expectations"
RULES_USABLE = "every_rule_can_be_used"
#: By severity, the name of the check.
CHECKS = {"critical": "critical_expectations_are_met", "warning": "expectations_are_met"}
#: When these are there, all tables of the night are.
_ALL_STAND = (COLUMN_PROFILES.name, NIGHTLY_REPORT.name)


def expectation_checks(rules: FolderRules, nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks of all tables of which something is expected, and the one of the rules that cannot be used.

    One step for MongoDB's tables, and one for each other: Dagster skips a step one of whose assets is not there.
    """
    others = dict.fromkeys((*OF_STRIPE, *(rule.table for rule in rules.usable if rule.table not in OF_MONGODB)))
    steps = {"mongodb": OF_MONGODB, **{name: (name,) for name in others}}
    made = [_checks_of(step, tables, rules.usable, nights) for step, tables in steps.items()]
    return [_usable(rules.refused, nights), *made]


def _usable(refused: Sequence[str], nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=RULES_USABLE,
        asset=SoundTablesRecord.name,
        partitions_def=nights,
        description="Every rule in rules_folder could be read when the definitions were loaded. A file that could not "
        "be is left out; `billing-dq rules check FILE` says the same of it.",
    )
    def check() -> dg.AssetCheckResult:
        """Say what is wrong with each file that is left out."""
        said = f"{len(refused):,} left out. First: {refused[0]}" if refused else "no rule is left out"
        left_out = table_of([{"why": why} for why in refused])
        return dg.AssetCheckResult(passed=not refused, description=said, metadata={"left_out": left_out})

    return check


def _checks_of(
    step: str, tables: tuple[str, ...], rules: Sequence[Rule], nights: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    late = {table: [one for one in rules if one.table == table and not is_judged_first(one)] for table in tables}
    deps = (SnapshotFactsRecord.name, SoundTablesRecord.name, *(_ALL_STAND if any(late.values()) else ()))
    expected = {
        (table, severity): [one for one in _expected(table, rules) if one.severity == severity]
        for table in tables
        for severity in CHECKS
    }
    there = [of for of, expectations in expected.items() if expectations]

    @dg.multi_asset_check(
        name=f"{step}_expectations",
        specs=[
            night_check(CHECKS[severity], table, _described(severity, expected[table, severity]), nights, deps=deps)
            for table, severity in there
        ],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.AssetCheckResult]:
        key, selected = context.partition_key, context.selected_asset_check_keys
        # read from the lake and not taken as inputs, each of which would be two more events in Dagster's history
        as_of = SnapshotFactsRecord.require(lake.home, key).as_of
        night = NightTables(lake, key, as_of, tuple(sorted(settings.plans)))
        for table in tables:
            if night.table(table) is None:
                context.log.info(f"not run: the night has no {table}")
                continue
            verdicts = _judged(night, table, late[table])
            for severity in CHECKS:
                if dg.AssetCheckKey(dg.AssetKey(table), CHECKS[severity]) in selected:
                    of_severity = [one for one in verdicts if one.critical == (severity == "critical")]
                    yield _result(table, severity, of_severity, settings, results.path_of(lake, key, table))

    return checks


def _expected(table: str, rules: Sequence[Rule]) -> list[Expectation]:
    return [*suite_of(table), *(rule.expectation for rule in rules if rule.table == table)]


def _judged(night: NightTables, table: str, late: Sequence[Rule]) -> list[Verdict]:
    """What became of all that is expected of a table; rules that read results are judged now, and added."""
    stored = results.stored(night.lake, night.night, table)
    judged = [] if stored is None else stored["results"]
    if late:
        names = {rule.name for rule in late}
        judged = [one for one in judged if one["expectation_config"]["meta"]["name"] not in names]
        judged += judge_rules(night, table, late)
        results.store(night.lake, night.night, results.of_suite(table, night.night, night.as_of, judged))
    return results.verdicts_of(judged)


def _described(severity: str, expected: Sequence[Expectation]) -> str:
    stops = " Where one is not met, what rests on the table is not computed." if severity == "critical" else ""
    return "\n".join([f"What is expected ({severity}).{stops}\n", *(f"- {one.notes} `{one.name}`" for one in expected)])


def _result(
    table: str, severity: str, verdicts: Sequence[Verdict], settings: Settings, path: UPath
) -> dg.AssetCheckResult:
    red = [one for one in verdicts if not one.passed]
    rows = [{"expectation": one.name, "row": _row(row)} for one in red for row in one.rows]
    details: Metadata = {
        "rows": max((one.checked for one in verdicts), default=0),
        "expectations": len(verdicts),
        "not_met": len(red),
        "broken_rows": sum(one.broken for one in red),
        "validation_result": dg.MetadataValue.path(str(path)),
    }
    if red:
        details["failing_rows"] = table_of(rows[:ROWS])
        details["whom_to_ask"] = table_of([{"rule": one.name, **one.source} for one in red if one.source])
        details["runbook"] = runbook(settings, RUNBOOK)
        stopped = sorted(result for result, rests_on in RESTS_ON.items() if table in rests_on)
        if severity == "critical" and stopped:
            details["not_computed"] = ", ".join(stopped)
    said = "; ".join(f"{one.name}: {one.sentence}" for one in red)
    return dg.AssetCheckResult(
        passed=not red,
        check_name=CHECKS[severity],
        asset_key=table,
        severity=dg.AssetCheckSeverity.ERROR if severity == "critical" else dg.AssetCheckSeverity.WARN,
        description=said or f"{len(verdicts):,} expectations are met",
        metadata=details,
    )


def _row(row: Mapping[str, Plain]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
