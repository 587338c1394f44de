"""`billing-dq seal`: prove the seals of a stored night, and show how one organization's hangs on the night's root."""

import json
from dataclasses import asdict

import click

from billing_dq.commands.shared.console import say
from billing_dq.errors import SourceError
from billing_dq.settings import load_settings
from billing_dq.storage.history import broken_seals
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import NightManifest
from billing_dq.storage.seal_tree import seal_path, seal_root
from billing_dq.tables import LEDGER_SEALS

_night = click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group(name="seal")
def command() -> None:
    """Prove what the ledgers held: every night seals them, and all seals of a night hang on one root."""


@command.command(name="verify")
@_night
@_json
def verify(night: str | None, as_json: bool) -> int:
    """Compute the root of a stored night again, and hold it against its manifest; exit 1 where they differ.

    Every seal must continue what the night before left, too.
    """
    lake = Lake(load_settings().home)
    night, stored = lake.choose(LEDGER_SEALS, night)
    seals, manifest = stored.frame(), NightManifest.of(lake, night)
    recorded = None if manifest is None else manifest.seal_root
    if recorded is None:
        raise SourceError(f"the night of {night} has no manifest with a root of its seals")
    root, broken = seal_root(seals), broken_seals(lake, night)
    if as_json:
        click.echo(json.dumps({"night": night, "root": root, "recorded": recorded, "broken": broken}, indent=1))
    else:
        say(f"{len(seals):,} seals of the night of {night} have the root {root}")
        if root != recorded:
            say(f"The manifest has another one, {recorded}: seals were changed after the night.")
        for organization in broken:
            say(f"{organization}: its seal does not continue the one that the night before left.")
    return int(root != recorded or bool(broken))


@command.command(name="show")
@click.argument("organization")
@_night
@_json
def show(organization: str, night: str | None, as_json: bool) -> None:
    """Print the seal of ORGANIZATION and the digests from there to the root of the night."""
    lake = Lake(load_settings().home)
    night, stored = lake.choose(LEDGER_SEALS, night)
    seals = stored.frame()
    leaf, steps = seal_path(seals, organization)
    row = seals[seals["organization_id"] == organization].iloc[0]
    if as_json:
        seal = json.loads(row.to_json())
        path = [asdict(step) for step in steps]
        click.echo(json.dumps({"night": night, "seal": seal, "leaf": leaf, "path": path, "root": seal_root(seals)}))
        return
    say(f"{row['entry_count']:,} entries of {row['ledger_sum']:,.10g} units, digest {row['digest']}")
    say(f"leaf  {leaf}")
    for step in steps:
        say(f"{step.side:5} {step.digest}")
    say(f"root  {seal_root(seals)}")
