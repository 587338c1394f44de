"""The benchmark on a small company: every figure is there, and nothing is left behind."""

import json
from pathlib import Path

from click.testing import CliRunner
from pymongo import MongoClient

from billing_dq.cli import cli

SMALL = ["bench", "--orgs", "12", "--weeks", "2", "--entries", "3"]


def test_a_night_is_measured_beside_its_floors_and_a_loop(mongodb_uri: str) -> None:
    ran = CliRunner().invoke(cli, [*SMALL, "--to", mongodb_uri, "--json"], catch_exceptions=False)
    figures = json.loads(ran.stdout)
    assert (figures["stages"]["entries"], figures["stages"]["keys"]) == (12 * 7, 12 * 6)
    assert figures["server_cpu"] is None
    assert figures["stages"]["checks"] > 0
    assert all(figures["floors"][name] > 0 for name in ("megabytes", "drain", "questions", "walk", "write", "loop"))
    parts = sum(figures["stages"][name] for name in ("server", "work", "write", "match", "merge"))
    assert abs(parts - figures["stages"]["total"]) < 1e-6
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        assert "bench" not in client.list_database_names()


def test_the_cost_is_drawn_against_the_size(mongodb_uri: str, tmp_path: Path) -> None:
    picture = tmp_path / "cost.png"
    ran = CliRunner().invoke(cli, [*SMALL, "--to", mongodb_uri, "--plot", str(picture)], catch_exceptions=False)
    assert "draining it, not looking" in ran.stdout
    assert picture.stat().st_size > 10_000


def test_a_picture_of_another_kind_is_refused_before_anything_is_measured() -> None:
    refused = CliRunner().invoke(cli, [*SMALL, "--plot", "cost.gif"])
    assert (refused.exit_code, "end in .png or .svg" in refused.stderr) == (2, True)


def test_a_night_is_measured_from_the_bytes_on_without_a_server() -> None:
    ran = CliRunner().invoke(cli, [*SMALL, "--from-bytes", "--json"], catch_exceptions=False)
    figures = json.loads(ran.stdout)
    assert (figures["stages"]["entries"], figures["stages"]["keys"]) == (12 * 7, 12 * 6)
    assert figures["floors"] is None
    assert "client CPU" in CliRunner().invoke(cli, [*SMALL, "--from-bytes"], catch_exceptions=False).stdout


def test_a_night_from_the_bytes_on_takes_no_server() -> None:
    refused = CliRunner().invoke(cli, [*SMALL, "--from-bytes", "--to", "mongodb://localhost"])
    assert (refused.exit_code, "leave out --to" in refused.stderr) == (2, True)
