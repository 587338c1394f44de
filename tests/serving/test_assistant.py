"""The stored nights for an assistant: five tools that read, and texts from outside that are data."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from billing_dq.serving.assistant import NOTICE, TEXT, _harmless, assistant_server
from tests.support.pure_night import sample_settings
from tests.support.two_nights import NIGHTS, ORG, store_two_nights


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("nights")
    store_two_nights(home)
    return home


def call(home: Path, name: str, **arguments: str) -> Any:
    """The answer of a tool; the text of its error where it has none."""

    async def ask() -> Any:
        async with Client(assistant_server(sample_settings(home=str(home)))) as client:
            return await client.call_tool(name, arguments)

    result = anyio.run(ask)
    text = result.content[0].text
    return text if result.is_error else json.loads(text)


def test_every_tool_says_that_it_only_reads(home: Path) -> None:
    async def ask() -> Any:
        async with Client(assistant_server(sample_settings(home=str(home)))) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in anyio.run(ask)}
    assert set(tools) == {"nights", "findings", "explain", "trace_id", "compare_nights"}
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools.values())


def test_the_nights_are_listed_newest_first(home: Path) -> None:
    answer = call(home, "nights")
    assert answer["notice"] == NOTICE
    assert [line["night"] for line in answer["data"]] == [*reversed(NIGHTS)]
    assert answer["data"][0]["open"] == 2


def test_open_findings_come_with_what_to_do_first_on_top(home: Path) -> None:
    answer = call(home, "findings")
    assert answer["night"] == NIGHTS[1]
    assert [row["finding_id"] for row in answer["data"]["rows"]] == ["f2", "f3"]
    assert [row["finding_id"] for row in call(home, "findings", organization=ORG)["data"]["rows"]] == ["f2"]


def test_an_id_is_traced(home: Path) -> None:
    assert {"stripe_charges", "findings"} <= {
        row["source"] for row in call(home, "trace_id", id="ch_1")["data"]["rows"]
    }


def test_two_nights_are_compared(home: Path) -> None:
    rows = call(home, "compare_nights", earlier=NIGHTS[0], later=NIGHTS[1])["data"]["rows"]
    assert [(row["change"], row["finding_id"]) for row in rows] == [("went", "f1"), ("came", "f3")]


def test_what_is_not_stored_is_one_sentence(home: Path) -> None:
    assert "no findings is stored for the night of 2026-01-01" in call(home, "findings", night="2026-01-01")
    assert "is no night" in call(home, "compare_nights", earlier="../secret", later=NIGHTS[0])


def test_texts_from_outside_are_cut_and_cannot_hide() -> None:
    assert _harmless({"subject": "\x1b[2Jx" + "y" * 2 * TEXT}) == {"subject": "\\x1b[2Jx" + "y" * (TEXT - 5)}
