"""`billing-dq score`: recall, precision and cause accuracy by fault kind, on simulated worlds of several seeds."""

import json
import sys

import click
from rich.console import Console
from rich.table import Table as RichTable

from billing_dq.progress import BarProgress, LineProgress
from billing_dq.score import SCORED, Score, score
from billing_dq.simulation.config import WorldConfig


@click.command(name="score")
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Worlds, of the seeds 1, 2, ...")
@click.option("--organizations", type=click.IntRange(1), default=500, show_default=True, help="In each world.")
@click.option("--weeks", type=click.IntRange(1, 520), default=5, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Of each fault; 0: no faults."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(seeds: int, organizations: int, weeks: int, rate: float, as_json: bool) -> None:
    """Measure recall, precision and cause accuracy on simulated worlds with labelled faults."""
    faults = dict.fromkeys(SCORED, rate) if rate else {}
    configs = [
        WorldConfig(seed=seed, organizations=organizations, weeks=weeks, faults=faults) for seed in range(1, seeds + 1)
    ]
    progress = BarProgress() if sys.stderr.isatty() else LineProgress(lambda line: click.echo(line, err=True))
    result = score(configs, progress)
    if as_json:
        click.echo(json.dumps(_plain(result), indent=1))
    else:
        _show(result)


def _plain(result: Score) -> dict[str, object]:
    return {
        "recall": result.recall,
        "precision": result.precision,
        "cause_accuracy": result.cause_accuracy,
        "findings": result.findings,
        "by_design": result.by_design,
        "faults": {
            name: {
                "labels": tally.labels,
                "found": tally.found,
                "with_cause": tally.with_cause,
                "right_cause": tally.right_cause,
                "untellable": tally.untellable,
                "causes_found": dict(tally.confusion),
            }
            for name, tally in sorted(result.faults.items())
        },
        "false_findings": result.false,
        "missed": result.missed,
        "wrong_causes": result.wrong_causes,
    }


def _show(result: Score) -> None:
    table = RichTable(title="labelled faults", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for name in ("labels", "found", "recall", "cause right", "cannot be told"):
        table.add_column(name, justify="right")
    table.add_column("causes found", overflow="fold")
    for name, tally in sorted(result.faults.items()):
        table.add_row(
            name,
            f"{tally.labels:,}",
            f"{tally.found:,}",
            f"{tally.found / tally.labels:.1%}" if tally.labels else "",
            f"{tally.right_cause:,} of {tally.with_cause:,}" if tally.with_cause else "",
            f"{tally.untellable:,}" if tally.untellable else "",
            ", ".join(f"{cause} {count:,}" for cause, count in tally.confusion.most_common()),
        )
    console = Console()
    console.print(table)
    for title, lines in (
        ("missed", result.missed),
        ("false findings", result.false),
        ("wrong causes", result.wrong_causes),
    ):
        for line in lines:
            console.print(f"{title}: {line}", highlight=False, soft_wrap=True)
    console.print(
        f"recall {result.recall:.2%}, precision {result.precision:.2%}, cause accuracy {result.cause_accuracy:.2%}; "
        f"{result.findings:,} findings, {result.by_design:,} more by design, {len(result.false):,} false",
        highlight=False,
        soft_wrap=True,
    )
