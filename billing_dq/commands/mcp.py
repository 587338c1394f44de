"""`billing-dq mcp`: the stored nights for an assistant that speaks the Model Context Protocol."""

import click

from billing_dq.serving.assistant import assistant_server
from billing_dq.settings import load_settings


@click.command(name="mcp")
def command() -> None:
    """Serve the stored nights to an assistant by the Model Context Protocol, over standard input and output.

    Its tools list nights and findings, explain a week, trace an id and compare two nights. They read what is stored and
    write nothing; neither MongoDB nor Stripe is asked. docs/nights.md says how assistants are told of it.
    """
    assistant_server(load_settings()).run("stdio")
