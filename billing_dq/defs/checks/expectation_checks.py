"""The expectations of the source tables and the rules of analysts as Dagster checks: a check each, a night a partition.

A red check that is critical is an error, another one a warning. What could not be judged is red, and says why. The
tables from MongoDB are judged before anything rests on them (`soundness`), and their checks say what came of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from billing_dq.defs.checks.night_checks import night_check
from billing_dq.defs.pages.metadata import Metadata, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.errors import SourceError
from billing_dq.reconcile.soundness import RESTS_ON
from billing_dq.rules.contracts import expectations
from billing_dq.rules.evaluation import NightTables, judge_contract
from billing_dq.rules.expectation import Expectation, Outcome, Severity
from billing_dq.rules.reading import FolderRules
from billing_dq.rules.rule import Rule
from billing_dq.rules.running import judge_rule
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord
from billing_dq.tables import TABLES
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

RUNBOOK = "broken_expectations"
RULES_USABLE = "every_rule_can_be_used"
_NO_NIGHT = datetime(2010, 1, 1, tzinfo=UTC)


def expectation_checks(settings: Settings, nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks that follow from the contracts: one step for MongoDB's tables, and one for each of Stripe's, since
    Dagster skips a step one of whose assets is not there.
    """
    plans = tuple(sorted(settings.plans))
    of_stripe = [_checks_of(name, (name,), plans, nights) for name in OF_STRIPE]
    return [_checks_of("mongodb", OF_MONGODB, plans, nights), *of_stripe]


def rule_checks(rules: FolderRules, nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks of analysts' rules, a step for each: where one of its tables is absent, a rule is not run.

    One check more says which rules cannot be used: such a rule must not keep the night from running.
    """
    return [_usable(rules.refused, nights), *(_check_of(rule, nights) for rule in rules.usable)]


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
    step: str, assets: tuple[str, ...], plans: tuple[str, ...], nights: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    needed = (SnapshotFactsRecord.name, SoundTablesRecord.name)
    specs = [
        night_check(one.name, asset, _described(one), nights, deps=needed)
        for asset in assets
        for one in expectations(TABLES[asset], plans, _NO_NIGHT)
    ]

    @dg.multi_asset_check(
        name=f"{step}_expectations",
        specs=specs,
        # the tables themselves are read from the lake: a night without Stripe has none, and is concluded all the same
        ins={name: dg.AssetIn(name) for name in needed},
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        sound_tables: SoundTablesRecord,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.AssetCheckResult]:
        night, selected = NightTables(lake, context.partition_key), context.selected_asset_check_keys
        for asset in assets:
            if asset in OF_STRIPE and night.table(asset) is None:
                context.log.info(f"not run: the night has no {asset}")
                continue
            every = expectations(TABLES[asset], plans, snapshot_facts.as_of)
            expected = [one for one in every if dg.AssetCheckKey(dg.AssetKey(asset), one.name) in selected]
            judged = sound_tables.outcomes.get(asset, {})
            rest = [one for one in expected if one.name not in judged]
            outcomes = judged | (judge_contract(night, asset, rest) if rest else {})
            for one in expected:
                yield _result(asset, one.name, one.severity, outcomes[one.name], settings, {})

    return checks


def _check_of(rule: Rule, nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    spec = dg.AssetCheckSpec(
        rule.name,
        asset=rule.table,
        description=f"{rule.note} ({rule.severity}; ask {rule.owner})",
        additional_deps=[
            *(name for name in rule.reads if name != rule.table),
            SnapshotFactsRecord.name,
            SoundTablesRecord.name,
        ],
        metadata={"owner": rule.owner, "file": rule.place},
        partitions_def=nights,
    )

    @dg.multi_asset_check(
        name=f"rule__{rule.table}__{rule.name}",  # a name of a step that none of ours has, whatever the rule's is
        specs=[spec],
        ins={name: dg.AssetIn(name) for name in (SnapshotFactsRecord.name, SoundTablesRecord.name)},
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        sound_tables: SoundTablesRecord,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.AssetCheckResult:
        night = NightTables(lake, context.partition_key)
        judged = sound_tables.outcomes.get(rule.table, {}).get(rule.name)
        try:
            outcome = judged or judge_rule(rule, night, snapshot_facts.as_of)
        except SourceError as error:
            outcome = Outcome(problem=str(error))
        told: Metadata = {"owner": rule.owner, "file": rule.place}
        if rule.sql:
            told["sql"] = dg.MetadataValue.md(f"```sql\n{rule.sql.strip()}\n```")
        return _result(rule.table, rule.name, rule.severity, outcome, settings, told)

    return check


def _described(one: Expectation) -> str:
    if one.severity == "warning":
        return f"{one.sentence} (warning)"
    return f"{one.sentence} (critical: where it is broken, what rests on {one.table} is not computed)"


def _result(
    table: str, name: str, severity: Severity, outcome: Outcome, settings: Settings, told: Mapping[str, object]
) -> dg.AssetCheckResult:
    details: Metadata = {"rows": outcome.checked, "broken": outcome.broken, **told}  # type: ignore[dict-item]
    if not outcome.passed:
        details["failing_rows"] = table_of(outcome.rows)
        details["runbook"] = runbook(settings, RUNBOOK)
        stopped = sorted(result for result, tables in RESTS_ON.items() if table in tables)
        if severity == "critical" and stopped:
            details["not_computed"] = ", ".join(stopped)
    return dg.AssetCheckResult(
        passed=outcome.passed,
        check_name=name,
        asset_key=table,
        severity=dg.AssetCheckSeverity.ERROR if severity == "critical" else dg.AssetCheckSeverity.WARN,
        description=outcome.sentence,
        metadata=details,
    )
