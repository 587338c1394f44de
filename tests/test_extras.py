"""A plain installation runs nights; what belongs to an extra names the extra."""

import importlib
from importlib import metadata

import click
import pytest

from billing_dq.cli import COMMANDS, PROOF, LazyCommands

COMMAND = LazyCommands()


def test_a_command_of_the_proof_names_its_extra_where_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: ())
    with pytest.raises(click.ClickException, match=r"`demo` needs an extra; .*pip install 'billing-dq\[demo\]'"):
        COMMAND.get_command(click.Context(COMMAND), "demo")


def test_the_pages_name_their_extra_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_starlette(name: str) -> object:
        raise ModuleNotFoundError(name="starlette")

    monkeypatch.setattr(importlib, "import_module", without_starlette)
    with pytest.raises(click.ClickException, match=r"`serve` needs an extra; .*pip install 'billing-dq\[ui\]'"):
        COMMAND.get_command(click.Context(COMMAND), "serve")


def test_every_command_of_the_proof_is_an_entry_point_of_it() -> None:
    assert {entry.name for entry in metadata.entry_points(group="billing_dq.commands")} == set(PROOF)


def test_help_lists_every_command_once() -> None:
    assert COMMAND.list_commands(click.Context(COMMAND)) == [*COMMANDS, *PROOF]
