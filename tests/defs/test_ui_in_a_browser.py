"""Dagster's own pages in Chromium: they answer what a night is asked, and refuse what they must."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest
from selenium import webdriver

from billing_dq.runner import CODE_LOCATION, DAGSTER_YAML, StoredNight, run_night
from billing_dq.settings import load_settings
from billing_dq_simulation.config import WorldConfig, settings_toml
from billing_dq_simulation.loader import load
from billing_dq_simulation.local_stripe import serve
from tests.support.chromium import chromium, needs_chromium
from tests.support.dagster_ui import answering, opened, press, shows, webserver

pytestmark = [needs_chromium, pytest.mark.slow]
COMPANY = WorldConfig(seed=3, organizations=40, faults={"cached_balance_drift": 0.2, "credit_due": 0.3})
LAUNCHPAD = f"/locations/{CODE_LOCATION}/jobs/apply_dispute_credit/playground"
#: A run that is launched starts at once; else it waits in a queue for a daemon.
_WITHOUT_A_DAEMON = "run_coordinator:\n  module: dagster.core.run_coordinator\n  class: DefaultRunCoordinator\n"


@dataclass(frozen=True)
class Ui:
    """A night that was taken, and two web servers over it."""

    night: StoredNight
    address: str
    read_only: str


@pytest.fixture(scope="module")
def ui(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    home, database = tmp_path_factory.mktemp("ui"), "billing_dq_test_ui"
    world = load(COMPANY, mongodb_uri, database, replace=True)
    (dagster := home / "dagster").mkdir()
    (dagster / "dagster.yaml").write_text(DAGSTER_YAML + _WITHOUT_A_DAEMON, encoding="utf-8")
    (file := home / "billing_dq.toml").write_text(
        f'home = "{home}"\n{settings_toml(COMPANY, database)}', encoding="utf-8"
    )
    with (
        serve(world.stripe) as stripe,
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.from_config(str(dagster)) as instance,
    ):
        environment = {
            "BILLING_DQ_CONFIG": str(file),
            "BILLING_DQ_MONGODB_URI": mongodb_uri,
            "BILLING_DQ_MONGODB_WRITE_URI": mongodb_uri,
            "BILLING_DQ_STRIPE_BASE_URL": stripe.url,
            "BILLING_DQ_STRIPE_API_KEY": "rk_live_simulated",
            "DAGSTER_HOME": str(dagster),
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        with (
            webserver(environment, home / "ui.log") as address,
            webserver(environment, home / "read_only.log", "--read-only") as read_only,
        ):
            night = run_night(load_settings(), instance, COMPANY.as_of)  # while both servers start
            yield Ui(night, answering(address), answering(read_only))


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        driver.set_window_size(1400, 1600)
        yield driver


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("", ["reconcile_night", CODE_LOCATION, "Timeline"]),
        (
            "/runs",
            ["reconcile_night", "billing_dq/verdict: Money is leaking.", "new of", "is owed to us and", "since"],
        ),
        ("/asset-groups/", ["outside", "mongodb", "conclusions", "reconciliation"]),
        ("/assets/findings", ["first_rows", "look_at_the_first", "read_parquet", "what is it worth", "runbook"]),
        (
            "/assets/ledger_violations?view=checks&checkDetail=every_ledger_is_sound",
            ["every_ledger_is_sound", "need somebody", "First: ", "usd_owed_to_customers"],
        ),
        (
            "/assets/meter_extras_deltas?view=checks&checkDetail=every_organization_week_is_accounted_for",
            ["organization-weeks = "],
        ),
    ],
    ids=["the_time_line", "the_runs", "the_graph", "the_findings", "a_red_check", "a_green_check"],
)
def test_a_page_answers_what_it_is_asked(browser: webdriver.Chrome, ui: Ui, path: str, texts: list[str]) -> None:
    opened(browser, ui.address + path, *texts)


def test_the_report_answers_in_its_first_lines(browser: webdriver.Chrome, ui: Ui) -> None:
    page = opened(browser, f"{ui.address}/assets/nightly_report", "in_one_sentence", "usd_owed_to_us", "load_it")
    assert "Money is leaking." in page
    places = [page.index(name) for name in ("in_one_sentence", "usd_owed_to_us", "first_rows", "load_it")]
    assert places == sorted(places)


def test_the_deltas_say_the_units_of_their_columns_and_where_they_come_from(browser: webdriver.Chrome, ui: Ui) -> None:
    page = opened(browser, f"{ui.address}/assets/meter_extras_deltas", "delta_units", "unit: units", "weeks_exact")
    assert "units_owed_to_us" in page
    press(browser, "[Show Markdown]")
    shows(browser, "Meter extras divergence")
    opened(browser, f"{ui.address}/assets/meter_extras_deltas?view=lineage&column=delta_units", "weekly_usage")


def test_a_tick_of_the_sensor_says_what_it_would_credit(browser: webdriver.Chrome, ui: Ui) -> None:
    opened(browser, f"{ui.address}/locations/{CODE_LOCATION}/sensors/reinstated_disputes", "Preview tick result")
    press(browser, "Preview tick result")
    press(browser, "Continue")
    shows(browser, "mode propose")


def test_the_launchpad_opens_with_an_example_and_refuses_it_by_a_sentence_a_field(
    browser: webdriver.Chrome, ui: Ui
) -> None:
    opened(browser, ui.address + LAUNCHPAD, "dispute_id: du_...", "plan_hash")
    press(browser, "Launch Run")
    page = shows(browser, "nothing was written: dispute_id: this is still the example's")
    for name in ("plan_hash", "requested_by", "why"):
        assert f"{name}: this is still the example's: put your own" in page


def test_a_read_only_web_server_launches_nothing(browser: webdriver.Chrome, ui: Ui) -> None:
    page = opened(browser, ui.read_only + LAUNCHPAD, "apply_dispute_credit", "credit_dispute")
    assert "Launch Run" not in page
    answer = browser.execute_async_script(
        """
        const done = arguments[0];
        fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({
          query: `mutation { launchRun(executionParams: {mode: "default", runConfigData: "{}", selector: {
            repositoryLocationName: "billing_dq.definitions", repositoryName: "__repository__",
            pipelineName: "apply_dispute_credit"}}) { __typename } }`})})
          .then(answer => answer.text()).then(done);
        """
    )
    assert "UnauthorizedError" in answer
