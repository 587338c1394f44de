from pathlib import Path

import pytest

from billing_dq.errors import SettingsError
from billing_dq.settings import Settings, load_settings

EXAMPLE = Path(__file__).parent.parent / "billing_dq.example.toml"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "billing_dq.toml"
    monkeypatch.setenv("BILLING_DQ_CONFIG", str(path))
    return path


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(config: Path, text: str) -> str:
    config.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_defaults_are_those_of_the_domain() -> None:
    settings = load_settings()
    assert settings.dollars_to_units == 1000
    assert (settings.tolerance.absolute_units, settings.tolerance.relative) == (50, 0.005)
    assert settings.runaway.quota_multiple == 10
    assert settings.runaway.floor_units is None
    assert settings.weeks_back == 3
    assert settings.credits.mode == "propose"
    assert list(settings.plans) == ["free", "starter", "pro", "enterprise"]
    assert settings.quota_of_plan == {"free": 0}
    assert settings.collections.billingextrabalances == "billingextrabalances"
    assert settings.mongodb_uri is None


def test_the_shipped_example_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_CONFIG", str(EXAMPLE))
    settings = load_settings()
    assert settings.plan_of_price["price_pro_monthly"] == "pro"
    assert settings.packs["pack_50k"].units == 50_000


def test_a_file_in_the_working_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "billing_dq.toml").write_text('mongodb_database = "billing"\n')
    assert load_settings().mongodb_database == "billing"


def test_the_environment_wins_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("weeks_back = 5\n[tolerance]\nabsolute_units = 10\nrelative = 0.01\n")
    monkeypatch.setenv("BILLING_DQ_WEEKS_BACK", "7")
    monkeypatch.setenv("BILLING_DQ_TOLERANCE__ABSOLUTE_UNITS", "20")
    settings = load_settings()
    assert settings.weeks_back == 7
    assert (settings.tolerance.absolute_units, settings.tolerance.relative) == (20, 0.01)


def test_plans_of_the_file_join_the_names_of_the_domain(config: Path) -> None:
    config.write_text('[plans.pro]\nmeter_quota = 5000\nprices = ["price_a"]\n[plans.gold]\nmeter_quota = 7\n')
    settings = load_settings()
    assert set(settings.plans) == {"free", "starter", "pro", "enterprise", "gold"}
    assert settings.quota_of_plan == {"free": 0, "pro": 5000, "gold": 7}


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("mongo = 1", "mongo", "unknown key"),
        ("[tolerance]\nabsolut = 1", "tolerance.absolut", "unknown key"),
        ("[credits]\nmode = 'yes'", "credits.mode", "'off', 'propose' or 'apply'"),
        ("weeks_back = -1", "weeks_back", "greater than or equal to 0"),
        ("weeks_back = 'x'", "weeks_back", "valid integer"),
        ("[tolerance]\nrelative = 1.0", "tolerance.relative", "less than 1"),
        ("dollars_to_units = inf", "dollars_to_units", "finite"),
        ("dollars_to_units = 0", "dollars_to_units", "greater than 0"),
        ("[plans.pro]\nmeter_quota = -1", "plans.pro.meter_quota", "greater than or equal to 0"),
        ("[packs.p]\nprice_cents = 0\nunits = 5", "packs.p.price_cents", "greater than 0"),
        ("[packs.p]\nprice_cents = 2.5\nunits = 5", "packs.p.price_cents", "valid integer"),
        ("[packs.p]\nprice_cents = 5", "packs.p.units", "required"),
        ("stripe_base_url = 'ftp://x'", "stripe_base_url", "pattern"),
        ("[collections]\nsubscriptions = ''", "collections.subscriptions", "at least 1 character"),
        ("first_night = 'soon'", "first_night", "date"),
    ],
)
def test_a_wrong_setting_is_refused_with_file_key_and_reason(config: Path, text: str, key: str, reason: str) -> None:
    message = refused(config, text)
    assert message.startswith(f"{config}: {key}: ")
    assert reason in message


def test_a_price_of_two_plans_is_refused(config: Path) -> None:
    message = refused(config, "[plans.pro]\nprices = ['p']\n[plans.starter]\nprices = ['p']\n")
    assert "price p belongs to two plans" in message


def test_a_file_that_is_no_toml_is_refused(config: Path) -> None:
    assert "not readable as TOML" in refused(config, "= = =")


def test_a_named_file_that_does_not_exist_is_refused(config: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings()


@pytest.mark.parametrize("secret", ["mongodb_uri", "mongodb_write_uri", "stripe_api_key"])
def test_a_secret_in_the_file_is_refused_without_showing_it(config: Path, secret: str) -> None:
    message = refused(config, f"{secret} = 'hunter2'\n")
    assert f"BILLING_DQ_{secret.upper()}" in message
    assert "hunter2" not in message


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_MONGO_URI", "mongodb://x")
    with pytest.raises(SettingsError, match="BILLING_DQ_MONGO_URI: unknown setting"):
        load_settings()


def test_a_wrong_variable_is_named_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_CREDITS__MODE", "sometimes")
    with pytest.raises(SettingsError, match=r"environment \(BILLING_DQ_CREDITS__MODE\): credits.mode"):
        load_settings()


def test_settings_never_print_a_secret() -> None:
    settings = Settings(mongodb_uri="mongodb://user:hunter2@host/", stripe_api_key="sk_live_hunter2")  # pyright: ignore
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


ROUTE_URL = "BILLING_DQ_ALERTS__ROUTES__OPS__URL"


def test_a_route_is_of_the_file_and_its_address_of_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('[alerts]\nnight_due = "05:30"\n[alerts.routes.ops]\nseverity = "critical"\nmin_cents = 500\n')
    monkeypatch.setenv(ROUTE_URL, "json://user:hunter2@host/")
    settings = load_settings()
    route = settings.alerts.routes["ops"]
    assert (route.severity, route.min_cents, str(settings.alerts.night_due)) == ("critical", 500, "05:30:00")
    assert route.url is not None
    assert route.url.get_secret_value() == "json://user:hunter2@host/"
    assert "hunter2" not in repr(settings) + settings.model_dump_json()


def test_an_address_in_the_file_is_refused_without_showing_it(config: Path) -> None:
    message = refused(config, "[alerts.routes.ops]\nurl = 'slack://hunter2'\n")
    assert message.endswith(f"alerts.routes.ops.url: secrets come from the environment only, as {ROUTE_URL}")


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[alerts.routes.ops]\nseverity = 'loud'", "alerts.routes.ops.severity", "'info', 'warning', 'error'"),
        ("[alerts.routes.ops]\nkinds = ['x']", "alerts.routes.ops.kinds.0", "x is no kind of finding and none of"),
        ("[alerts.routes.ops]\nevents = ['gone']", "alerts.routes.ops.events.0", "'resolved'"),
        ("[alerts.routes.ops]\nevents = []", "alerts.routes.ops.events", "at least 1 item"),
        ("[alerts.routes.ops]\nmin_cents = -1", "alerts.routes.ops.min_cents", "greater than or equal to 0"),
        ("[alerts.routes.ops]\ntarget = 'slack://x'", "alerts.routes.ops.target", "unknown key"),
        ("[alerts.routes.Ops]", "alerts.routes.Ops", "pattern"),
        ("[alerts]\nworse_cents = 0", "alerts.worse_cents", "greater than 0"),
        ("[alerts]\nnight_due = '06:00Z'", "alerts.night_due", "without a time zone"),
        ("[alerts]\nattempts = 0", "alerts.attempts", "greater than or equal to 1"),
    ],
)
def test_a_bad_route_is_refused_with_file_key_and_reason(config: Path, text: str, key: str, reason: str) -> None:
    message = refused(config, text)
    assert message.startswith(f"{config}: {key}")
    assert reason in message
