"""What is expected of the tables, and the rules of analysts, as Dagster checks: one for each table and severity.

A red check names the expectations that are not met, with the first rows. The tables that the night reads were judged
before anything rests on them (`soundness`); a rule that reads a result is judged here, when all tables stand. What
could not be judged is red, with the reason.
Not here: how an expectation is judged (`rules/`).
"""

from collections.abc import Iterator, Sequence

import dagster as dg
from upath import UPath

from billing_dq.defs.asset_names import asset_key, op_name
from billing_dq.defs.checks.soundness import is_judged_first
from billing_dq.defs.declarations import check_result, night_check
from billing_dq.defs.pages.metadata import Metadata, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.reconcile.soundness import RESTS_ON
from billing_dq.rules import results
from billing_dq.rules.judging import NightTables, judge_rules
from billing_dq.rules.reading import FolderRules
from billing_dq.rules.results import ROWS, Verdict
from billing_dq.rules.suites import Expectation, Rule, suite_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord
from billing_dq.tables import COLUMN_PROFILES, NIGHTLY_REPORT
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

RULES_USABLE = "every_rule_can_be_used"
#: By severity, the name of the check.
CHECKS = {"critical": "critical_expectations_are_met", "warning": "expectations_are_met"}
#: When these are stored, all tables of the night are.
_LAST_TABLES = (COLUMN_PROFILES.name, NIGHTLY_REPORT.name)


def expectation_checks(rules: FolderRules, nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks of all tables of which something is expected, and the one of the rules that cannot be used.

    One step for MongoDB's tables, and one for each other: Dagster skips a step one of whose assets is not there.
    """
    tables = dict.fromkeys((*OF_STRIPE, *(rule.table for rule in rules.usable if rule.table not in OF_MONGODB)))
    steps = {"mongodb": OF_MONGODB, **{table: (table,) for table in tables}}
    checks = [_checks_of(step, tables, rules.usable, nights) for step, tables in steps.items()]
    return [_usable(rules.refused, nights), *checks]


def _usable(refused: Sequence[str], nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=RULES_USABLE,
        asset=asset_key(SoundTablesRecord.name),
        partitions_def=nights,
        description="Every rule in rules_folder could be read when the definitions were loaded. A file that could not "
        "be is left out; `billing-dq rules check FILE` gives the same reason.",
    )
    def check() -> dg.AssetCheckResult:
        """Report what is wrong with each file that is left out."""
        description = f"{len(refused):,} left out. First: {refused[0]}" if refused else "no rule is left out"
        left_out = table_of([{"why": why} for why in refused])
        return dg.AssetCheckResult(passed=not refused, description=description, metadata={"left_out": left_out})

    return check


def _checks_of(
    step: str, tables: tuple[str, ...], rules: Sequence[Rule], nights: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    late = {table: [rule for rule in rules if rule.table == table and not is_judged_first(rule)] for table in tables}
    deps = [SnapshotFactsRecord.name, SoundTablesRecord.name, *(_LAST_TABLES if any(late.values()) else ())]
    expected = {
        (table, severity): [item for item in _expected(table, rules) if item.severity == severity]
        for table in tables
        for severity in CHECKS
    }

    @dg.multi_asset_check(
        name=op_name(f"{step}_expectations"),
        specs=[
            night_check(CHECKS[severity], table, _described(severity, expectations), nights, deps)
            for (table, severity), expectations in expected.items()
            if expectations
        ],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext,
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.AssetCheckResult]:
        """Report the stored verdicts, and judge the rules that read results."""
        night, selected = context.partition_key, context.selected_asset_check_keys
        keys = {(key.asset_key.path[-1], key.name): key.asset_key for key in selected}
        # read from the lake and not taken as inputs, each of which would be two more events in Dagster's history
        as_of = SnapshotFactsRecord.require(billing_dq_lake.home, night).as_of
        night_tables = NightTables(billing_dq_lake, night, as_of, tuple(sorted(billing_dq_settings.plans)))
        for table in tables:
            if night_tables.stored(table) is None:
                context.log.info(f"not run: the night has no {table}")
                continue
            verdicts = _judged(night_tables, table, late[table])
            for severity in CHECKS:
                if (table, CHECKS[severity]) in keys:
                    of_severity = [verdict for verdict in verdicts if verdict.critical == (severity == "critical")]
                    path = results.path_of(billing_dq_lake, night, table)
                    result = _result(table, severity, of_severity, billing_dq_settings, path)
                    yield result._replace(asset_key=keys[table, CHECKS[severity]])

    return checks


def _expected(table: str, rules: Sequence[Rule]) -> list[Expectation]:
    return [*suite_of(table), *(rule.expectation for rule in rules if rule.table == table)]


def _judged(night: NightTables, table: str, late: Sequence[Rule]) -> list[Verdict]:
    """What became of all that is expected of a table; rules that read results are judged now, and added."""
    judged = results.stored(night.lake, night.night, table)
    if late:
        names = {rule.name for rule in late}
        judged = [result for result in judged if result["expectation_config"]["meta"]["name"] not in names]
        judged += judge_rules(night, table, late)
        results.store(night.lake, night.night, table, night.as_of, judged)
    return results.verdicts_of(judged)


def _described(severity: str, expected: Sequence[Expectation]) -> str:
    stops = " Where one is not met, what rests on the table is not computed." if severity == "critical" else ""
    lines = [f"- {expectation.notes} `{expectation.name}`" for expectation in expected]
    return "\n".join([f"What is expected ({severity}).{stops}\n", *lines])


def _result(
    table: str, severity: str, verdicts: Sequence[Verdict], settings: Settings, path: UPath
) -> dg.AssetCheckResult:
    red = [verdict for verdict in verdicts if not verdict.passed]
    metadata: Metadata = {
        "rows": max((verdict.checked for verdict in verdicts), default=0),
        "expectations": len(verdicts),
        "not_met": len(red),
        "broken_rows": sum(verdict.broken for verdict in red),
        "validation_result": dg.MetadataValue.path(str(path)),
    }
    if red:
        rows = [
            {"expectation": verdict.name, "row": ", ".join(f"{name} {value}" for name, value in row.items())}
            for verdict in red
            for row in verdict.rows
        ]
        metadata["failing_rows"] = table_of(rows[:ROWS])
        metadata["whom_to_ask"] = table_of([{"rule": v.name, **v.source} for v in red if v.source])
        metadata["runbook"] = runbook(settings, "broken_expectations")
        stopped = sorted(result for result, rests_on in RESTS_ON.items() if table in rests_on)
        if severity == "critical" and stopped:
            metadata["not_computed"] = ", ".join(stopped)
    description = "; ".join(f"{verdict.name}: {verdict.sentence}" for verdict in red)
    return check_result(
        CHECKS[severity],
        not red,
        description or f"{len(verdicts):,} expectations are met",
        metadata,
        dg.AssetCheckSeverity.ERROR if severity == "critical" else dg.AssetCheckSeverity.WARN,
    )
