"""Help that a stranger understands: every command and every option says in a sentence what it does."""

from collections.abc import Iterator

import click
import pytest

from billing_dq.cli import COMMANDS, cli


def all_commands(group: click.Group = cli, path: str = "billing-dq") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{path} {name}")


EVERY = dict(all_commands())


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_option_has_a_sentence_of_its_own(name: str) -> None:
    assert EVERY[name].help
    for option in EVERY[name].params:
        if isinstance(option, click.Option):
            said = option.help or ""
            assert said.endswith("."), f"{name} {option.name}: {said!r}"
            assert len(said.split()) >= 2, f"{name} {option.name}: {said!r}"


@pytest.mark.parametrize("name", EVERY)
def test_help_explains_every_argument(name: str) -> None:
    command = EVERY[name]
    for argument in command.params:
        if isinstance(argument, click.Argument):
            shown = argument.make_metavar(click.Context(command)).strip("[]")
            assert shown in str(command.help) or shown.lower() in str(command.help), shown


def test_the_list_of_commands_needs_no_import_and_fits_a_terminal() -> None:
    longest = max(len(name) for name in COMMANDS)
    for name, said in COMMANDS.items():
        assert said.endswith("."), name
        assert len(said) + longest + 4 <= 100, name
