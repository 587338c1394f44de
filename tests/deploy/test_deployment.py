"""`deploy/`: the files are valid, fit each other and fit the program: images, ports, variables, modules, users."""

import importlib
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator import QueuedRunCoordinator
from sqlalchemy import make_url

from billing_dq.settings import SECRETS, load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HOME = "/var/lib/billing_dq"
POSTGRES = ("DAGSTER_POSTGRES_HOST", "DAGSTER_POSTGRES_USER", "DAGSTER_POSTGRES_PASSWORD", "DAGSTER_POSTGRES_DB")
OURS = ("code", "daemon", "webserver", "webserver-read-only")


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def variables(name: str) -> dict[str, str]:
    """The variables of an env file, those that are commented out too."""
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()
    pairs = [found[0] for line in lines if (found := re.findall(r"^#?([A-Z_]+)=(.*)$", line))]
    return {key: value.strip("'") for key, value in pairs}


@pytest.fixture
def services() -> dict[str, Any]:
    return read("compose.yaml")["services"]


def test_dagsters_own_validation_takes_the_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in POSTGRES:
        monkeypatch.setenv(name, "x")
    shutil.copy(DEPLOY / "dagster.yaml", tmp_path)
    instance = InstanceRef.from_dir(str(tmp_path))
    assert instance.storage_data is not None
    assert instance.storage_data.class_name == "DagsterPostgresStorage"
    scheme = yaml.safe_load(instance.storage_data.config_yaml)["postgres_db"]["scheme"]
    assert make_url(f"{scheme}://x").get_dialect().import_dbapi()  # the driver is installed
    assert instance.run_coordinator_data is not None
    assert instance.run_coordinator_data.class_name == QueuedRunCoordinator.__name__
    assert instance.settings["concurrency"] == {
        "runs": {"max_concurrent_runs": 1},
        "pools": {"granularity": "run", "default_limit": 1},
    }
    assert instance.settings["telemetry"] == instance.settings["nux"] == {"enabled": False}
    assert instance.settings["run_monitoring"]["enabled"]
    for part in (instance.storage_data, instance.run_launcher_data, instance.compute_logs_data):
        assert hasattr(importlib.import_module(part.module_name), part.class_name)


def test_the_instance_names_the_variables_that_compose_gives_to_every_process(services: dict[str, Any]) -> None:
    named = set(re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text(encoding="utf-8")))
    assert named == set(POSTGRES)
    for name in OURS:
        assert set(services[name]["environment"]) == named, name
    assert services["code"]["environment"]["DAGSTER_POSTGRES_HOST"] in services


def test_only_the_code_server_has_the_secrets_the_home_and_a_way_out(services: dict[str, Any]) -> None:
    having = {name for name, service in services.items() if "settings.env" in service.get("env_file", ())}
    assert having == {"code"}
    assert {name for name, one in services.items() if any("home:" in v for v in one.get("volumes", ()))} == {"code"}
    assert {name for name, one in services.items() if "outside" in one["networks"]} == {"code", "proxy"}
    assert read("compose.yaml")["networks"]["inside"] == {"internal": True}
    assert {name for name, one in services.items() if "ports" in one} == {"proxy"}


def test_our_containers_run_without_root_and_cannot_gain_rights(services: dict[str, Any]) -> None:
    for name in OURS:
        one = services[name]
        assert one["read_only"]
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
    last_stage = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\d+)$", last_stage, re.MULTILINE) == ["10001"]
    assert not re.search(r"apt-get|pip install|uv sync|gcc", last_stage)


def test_the_image_installs_the_lock_file_without_what_develops_or_demonstrates() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(r"uv sync .*", text)
    assert len(installs) == 2
    for one in installs:
        assert "--locked" in one
        assert "--no-dev" in one
        assert re.findall(r"--extra (\w+)", one) == ["ui", "postgres"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert "postgres" in extras


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source.removeprefix("./")).exists(), source
            assert source.removeprefix("./") in kept, source


def test_image_port_and_module_are_the_same_everywhere(services: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {services[name]["image"] for name in OURS} == {f"billing-dq:{version}"}
    (deployment,) = read("helm/values.yaml")["dagster-user-deployments"]["deployments"]
    assert (deployment["image"]["repository"], deployment["image"]["tag"]) == ("billing-dq", version)
    server = read("workspace.yaml")["load_from"][0]["grpc_server"]
    assert server["host"] in services
    assert str(server["port"]) in services[server["host"]]["command"]
    assert deployment["port"] == server["port"]
    module = services["code"]["command"][-1]
    assert deployment["codeServerArgs"][-1] == module
    assert importlib.util.find_spec(module) is not None
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert f'"--port", "{server["port"]}", "--module-name", "{module}"' in dockerfile
    assert server["location_name"] == read_pyproject_location()


def read_pyproject_location() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dagster"]["code_location_name"]


def test_the_example_variables_are_settings_and_hold_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    given = variables("settings.example.env")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(given)
    assert settings.plans["starter"].meter_quota == 50_000
    assert settings.credits.mode == "apply"
    assert {f"BILLING_DQ_{name.upper()}" for name in SECRETS} <= set(given)


def test_the_proxy_guards_both_webservers_and_its_variables_are_in_the_example(services: dict[str, Any]) -> None:
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert caddy.count("import own_pages_only") == caddy.count("basic_auth") == caddy.count("reverse_proxy") == 2
    assert set(re.findall(r"reverse_proxy ([\w-]+):3000", caddy)) == {"webserver", "webserver-read-only"}
    assert set(re.findall(r"\{\$(\w+)\}", caddy)) == set(variables("proxy.example.env"))
    assert {port.split(":")[1] for port in services["proxy"]["ports"]} == set(re.findall(r"\}:(\d+) \{", caddy))
    assert "--read-only" in services["webserver-read-only"]["command"]
    assert "--read-only" not in services["webserver"]["command"]


def test_helm_and_compose_say_the_same_of_runs_retention_users_and_home() -> None:
    values, instance = read("helm/values.yaml"), read("dagster.yaml")
    coordinator = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert coordinator["maxConcurrentRuns"] == instance["concurrency"]["runs"]["max_concurrent_runs"]
    monitoring = values["dagsterDaemon"]["runMonitoring"]
    assert monitoring["maxRuntimeSeconds"] == instance["run_monitoring"]["max_runtime_seconds"]
    assert values["retention"]["sensor"]["purgeAfterDays"] == instance["retention"]["sensor"]["purge_after_days"]
    assert values["runLauncher"]["config"]["customRunLauncher"]["class"] == instance["run_launcher"]["class"]
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["securityContext"]["runAsUser"] == deployment["podSecurityContext"]["fsGroup"] == 10001
    assert deployment["env"]["BILLING_DQ_HOME"] == deployment["volumeMounts"][0]["mountPath"] == HOME
    assert f"BILLING_DQ_HOME={HOME}" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert values["dagsterWebserver"]["enableReadOnly"]
    (server,) = values["dagsterWebserver"]["workspace"]["servers"]
    assert server["name"] == read_pyproject_location()
    assert (server["host"], server["port"]) == (deployment["name"], deployment["port"])
    assert values["telemetry"] == {"enabled": False}
