"""`billing-dq init`: the files to begin with, as they came with the package."""

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import click

#: What is written, and where it is in a checkout; in an installation it is in the folder `starter` of the package.
_FILES = {
    "billing_dq.toml": "billing_dq.example.toml",
    "mongodb_roles.py": "deploy/mongodb_roles.py",
    "rules": "examples/rules",
}


@click.command(name="init")
@click.argument("directory", default=".", type=click.Path(file_okay=False, path_type=Path))
def command(directory: Path) -> None:
    """Write the files to begin with into DIRECTORY, the working directory by default; nothing there is overwritten.

    They are billing_dq.toml, every setting with a comment; rules, a folder with examples of rules of your own; and
    mongodb_roles.py, which creates the two roles in MongoDB.
    """
    contents = dict(_contents(directory))
    existing = [str(path) for path in contents if path.exists()]
    if existing:
        raise click.ClickException(f"nothing was written: {', '.join(existing)} would be overwritten")
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        click.echo(f"wrote {path}")
    click.echo(
        "Next: put your plans, packs and prices into billing_dq.toml, set BILLING_DQ_MONGODB_URI and "
        "BILLING_DQ_STRIPE_API_KEY, and run `billing-dq doctor`."
    )


def _contents(directory: Path) -> Iterator[tuple[Path, bytes]]:
    shipped, checkout = resources.files("billing_dq") / "starter", Path(__file__).parents[2]
    for name, place in _FILES.items():
        source: Traversable = shipped / name if shipped.is_dir() else checkout / place
        parts = sorted(source.iterdir(), key=lambda part: part.name) if source.is_dir() else [source]
        for part in parts:
            yield directory / name / part.name if source.is_dir() else directory / name, part.read_bytes()
