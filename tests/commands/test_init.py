from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from billing_dq.cli import cli
from billing_dq.rules.reading import read_file
from billing_dq.settings import load_settings

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


def test_the_written_settings_load_and_the_rules_can_be_read(tmp_path: Path) -> None:
    result = run(str(tmp_path / "new"))
    assert result.exit_code == 0, result.output
    assert load_settings({"BILLING_DQ_CONFIG": str(tmp_path / "new" / "billing_dq.toml")}).weeks_back == 3
    rules = sorted((tmp_path / "new" / "rules").iterdir())
    assert [path.name for path in rules] == sorted(path.name for path in (ROOT / "examples" / "rules").iterdir())
    assert all(read_file(path, {}) for path in rules if path.suffix == ".yaml")
    assert compile((tmp_path / "new" / "mongodb_roles.py").read_text(), "mongodb_roles.py", "exec")


def test_nothing_is_overwritten_and_nothing_written_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mongodb_roles.py").write_text("mine")
    result = run()
    assert result.exit_code == 1
    assert "nothing was written: mongodb_roles.py would be overwritten" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mongodb_roles.py"]
