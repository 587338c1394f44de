"""The settings of a world are settings that billing_dq takes."""

import tomllib
from pathlib import Path

import pytest

from billing_dq.settings import load_settings
from billing_dq_simulation.config import PACKS, QUOTAS, WorldConfig, settings_toml, world_settings


def test_the_settings_of_a_world_are_read_without_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "billing_dq.toml"
    path.write_text(settings_toml(WorldConfig(), 'a "quoted" name'))
    monkeypatch.setenv("BILLING_DQ_CONFIG", str(path))
    settings = load_settings()
    assert settings.mongodb_database == 'a "quoted" name'
    assert settings.quota_of_plan == QUOTAS
    assert {name: pack.units for name, pack in settings.packs.items()} == {p.name: p.units for p in PACKS.values()}
    assert settings.plan_of_price["price_pro_annual_v2"] == "pro"


def test_the_text_says_what_the_mapping_says():
    assert tomllib.loads(settings_toml(WorldConfig())) == world_settings(WorldConfig())
