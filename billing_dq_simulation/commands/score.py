"""`billing-dq score`: recall, precision, cause accuracy and money by fault, on simulated worlds of several seeds."""

import json
from dataclasses import asdict, astuple, replace

import click
from rich.console import Console

from billing_dq.commands.shared.console import progress_here, table_of
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.money import Money
from billing_dq_simulation.score import SCORED, Score, score


@click.command(name="score")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="How many simulated companies, of the seeds 1, 2, ...",
)
@click.option(
    "--organizations",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="How many organizations each has.",
)
@click.option("--weeks", type=click.IntRange(1, 520), default=5, show_default=True, help="How many weeks of usage.")
@click.option(
    "--rate", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Share that gets each fault; 0: none."
)
@click.option(
    "--trouble",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="How much natural trouble the second table has, from 0 to 1; 0: no second table.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def command(seeds: int, organizations: int, weeks: int, rate: float, trouble: float, as_json: bool) -> None:
    """Measure recall, precision, cause accuracy and money on simulated worlds with labelled faults.

    The first table is of plain worlds; the second of the same faults in weeks of natural trouble, which is no fault:
    changes that no document shows, dunning and recovery, corrections by hand and the like.
    """
    faults = dict.fromkeys(SCORED, rate) if rate else {}
    configs = [
        WorldConfig(seed=seed, organizations=organizations, weeks=weeks, faults=faults) for seed in range(1, seeds + 1)
    ]
    progress = progress_here()
    plain = score(configs, progress)
    troubled = score([replace(config, trouble=trouble) for config in configs], progress) if trouble else None
    if as_json:
        more = {"natural_trouble": _plain(troubled)} if troubled else {}
        click.echo(json.dumps(_plain(plain) | more, indent=1))
        return
    _show("labelled faults", plain)
    if troubled:
        _show("the same faults in weeks of natural trouble", troubled)


def _show_money(console: Console, title: str, money: Money) -> None:
    """Units planted and told, either way, by fault; what moves no unit is left out."""
    total = money.total
    amounts = [(name, fault) for name, fault in sorted(money.faults.items()) if any(astuple(fault))]
    rows = [(name, *(f"{units:,.0f}" for units in astuple(fault))) for name, fault in [*amounts, ("all", total)]]
    headings = ("to us: planted", "to customers: planted", "to us: told", "to customers: told", "undecidable")
    console.print(table_of(f"units, {title}", ("fault", *headings), rows, right=headings, whole=("fault",)))
    console.print(
        f"money: {total.planted_cents / 100:,.2f} USD planted and {total.told_cents / 100:,.2f} USD told, either "
        f"way; {len(money.differences):,} of {money.organizations:,} organizations differ",
        highlight=False,
        soft_wrap=True,
    )


def _plain(result: Score) -> dict[str, object]:
    return {
        "recall": result.recall,
        "precision": result.precision,
        "cause_accuracy": result.cause_accuracy,
        "money": {"all": asdict(result.money.total)}
        | {name: asdict(fault) for name, fault in sorted(result.money.faults.items())},
        "money_that_differs": result.money.differences,
        "findings": result.findings,
        "by_design": result.by_design,
        "undecided_on_faults": result.undecided_on_faults,
        "undecided_elsewhere": result.undecided_elsewhere,
        "faults": {
            name: {
                "labels": tally.labels,
                "found": tally.found,
                "with_cause": tally.with_cause,
                "right_cause": tally.right_cause,
                "untellable": tally.untellable,
                "undecided": tally.undecided,
                "causes_found": dict(tally.confusion),
            }
            for name, tally in sorted(result.faults.items())
        },
        "false_findings": result.false,
        "missed": result.missed,
        "explained_faults": result.explained,
        "wrong_causes": result.wrong_causes,
    }


def _show(title: str, result: Score) -> None:
    rows = [
        (
            name,
            f"{tally.labels:,}",
            f"{tally.found:,}",
            f"{tally.found / tally.labels:.1%}" if tally.labels else "",
            f"{tally.right_cause:,} of {tally.with_cause:,}" if tally.with_cause else "",
            f"{tally.undecided:,}" if tally.undecided else "",
            f"{tally.untellable:,}" if tally.untellable else "",
            ", ".join(f"{cause} {count:,}" for cause, count in tally.confusion.most_common()),
        )
        for name, tally in sorted(result.faults.items())
    ]
    counts = ("labels", "found", "recall", "cause right", "may be lost", "cannot be told")
    console = Console()
    console.print(table_of(title, ("fault", *counts, "causes found"), rows, right=counts, whole=("fault",)))
    _show_money(console, title, result.money)
    for title, lines in (
        ("missed", result.missed),
        ("explained faults", result.explained),
        ("false findings", result.false),
        ("wrong causes", result.wrong_causes),
        ("money that differs", result.money.differences),
    ):
        for line in lines:
            console.print(f"{title}: {line}", highlight=False, soft_wrap=True)
    console.print(
        f"recall {result.recall:.2%}, precision {result.precision:.2%}, cause accuracy {result.cause_accuracy:.2%}; "
        f"{result.findings:,} findings, {result.by_design:,} more by design, {len(result.false):,} false; undecided: "
        f"{result.undecided_on_faults:,} on faults, {result.undecided_elsewhere:,} without a fault",
        highlight=False,
        soft_wrap=True,
    )
