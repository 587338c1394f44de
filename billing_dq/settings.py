"""Every knob, typed. Sources, strongest first: environment ``BILLING_DQ_*`` (``__`` between levels),
``billing_dq.toml``, the defaults of docs/domain.md. The file's path is in ``BILLING_DQ_CONFIG``, else the working
directory is looked at.

Anything unknown, of a wrong type or impossible is refused with the file (or variable), the key and the reason. Secrets
are taken from the environment only, held as `SecretStr`, and never printed.
"""

import os
import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from billing_dq.errors import SettingsError
from billing_dq.units import Tolerance
from billing_dq.vocabulary.alerts import EVENTS, OPERATIONS, Event
from billing_dq.vocabulary.kinds import KINDS
from billing_dq.vocabulary.severities import Severity

PREFIX = "BILLING_DQ_"
SECRETS = frozenset({"mongodb_uri", "mongodb_write_uri", "stripe_api_key"})
#: Variables with our prefix that are not settings: where the file is, and options of the tests.
_NO_SETTINGS = ("BILLING_DQ_CONFIG", "BILLING_DQ_TEST_")

#: Excluded wherever settings are written as JSON, such as into the manifest of a night.
Secret = Annotated[SecretStr | None, Field(exclude=True)]
Units = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveUnits = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: In the order of the driver's own numbers.
ReadPreference = Literal["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"]
Name = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Collections(_Section):
    """The names of the application's collections."""

    organizations: Name = "organizations"
    subscriptions: Name = "subscriptions"
    billingusages: Name = "billingusages"
    billingextrabalances: Name = "billingextrabalances"
    processedstripeevents: Name = "processedstripeevents"


class Plan(_Section):
    """A plan: its units per week (absent: not known, and then nothing is concluded from it) and its Stripe prices."""

    meter_quota: Units | None = None
    prices: tuple[Name, ...] = ()


class Pack(_Section):
    """A pack of prepaid extras: price in US cents, units it gives."""

    price_cents: Annotated[int, Field(gt=0)]
    units: PositiveUnits


class ToleranceSettings(_Section):
    """Materiality of the meter against the extras."""

    absolute_units: Units = 50.0
    relative: Annotated[float, Field(ge=0, lt=1)] = 0.005


class Runaway(_Section):
    """When a negative balance is a runaway."""

    quota_multiple: PositiveUnits = 10.0
    floor_units: PositiveUnits | None = None


def _organization_page(value: str) -> str:
    if value.count("{") != 1 or value.count("{organization_id}") != 1 or not value.startswith(("https://", "http://")):
        raise ValueError("must be an address with {organization_id} in it once, and no other braces")
    return value


class Links(_Section):
    """Where other systems show what a finding is about; absent: nowhere."""

    organization: Annotated[str, AfterValidator(_organization_page)] | None = None


class Retention(_Section):
    """How many nights keep what they read, and for how many days Dagster keeps the runs of nights; absent: all.

    What the nights concluded is always kept.
    """

    evidence_nights: Annotated[int, Field(ge=1)] | None = None
    run_days: Annotated[int, Field(ge=1)] | None = None


class Credits(_Section):
    """The one correction: whether and how far reinstated disputes are credited."""

    mode: Literal["off", "propose", "apply"] = "propose"
    kill_switch: bool = False
    approve_above_units: Units = 100_000.0
    max_units_per_credit: PositiveUnits = 1_000_000.0
    max_units_per_run: PositiveUnits = 2_000_000.0
    max_credits_per_run: Annotated[int, Field(gt=0)] = 50


def _known_kind(value: str) -> str:
    if value not in KINDS and value not in OPERATIONS:
        raise ValueError(f"{value} is no kind of finding and none of {', '.join(OPERATIONS)}")
    return value


def _without_zone(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("must be a time of the day in UTC, without a time zone")
    return value


#: Small letters, so that a route's variable names it: BILLING_DQ_ALERTS__ROUTES__<NAME>__URL.
RouteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]


class Route(_Section):
    """A target of alerts, and which alerts it gets. With a signing secret it is a webhook for tickets.

    The address is a secret, too; both come from the environment only.
    """

    url: Secret = None
    signing_secret: Secret = None
    severity: Severity = "error"
    kinds: tuple[Annotated[str, AfterValidator(_known_kind)], ...] = ()
    events: Annotated[tuple[Event, ...], Field(min_length=1)] = EVENTS
    min_units: Units = 0.0
    min_cents: Annotated[int, Field(ge=0)] = 0


class AlertSettings(_Section):
    """The routes, by how much an alert gets worse, when a night is late, and how often a message is tried."""

    routes: dict[RouteName, Route] = Field(default_factory=dict[str, Route])
    worse_units: PositiveUnits = 10_000.0
    worse_cents: Annotated[int, Field(gt=0)] = 1_000
    night_due: Annotated[time, AfterValidator(_without_zone)] = time(6)
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    wait_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    retry_minutes: Annotated[float, Field(ge=0)] = 15.0


class Execution(_Section):
    """What runs the steps of a night, and its configuration as Dagster knows it."""

    engine: Literal["in_process", "multiprocess", "celery", "k8s"] = "in_process"
    config: dict[str, object] = Field(default_factory=dict[str, object])


def _default_plans() -> dict[str, Plan]:
    return {"free": Plan(meter_quota=0.0), "starter": Plan(), "pro": Plan(), "enterprise": Plan()}


class Settings(BaseSettings):
    """All settings, validated. Plans given by the user join (and replace) the four names of docs/domain.md."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    mongodb_uri: Secret = None
    mongodb_write_uri: Secret = None
    mongodb_database: Name = "app"
    mongodb_timeout_seconds: Annotated[float, Field(gt=0)] = 600.0
    mongodb_connect_seconds: Annotated[float, Field(gt=0)] = 10.0
    mongodb_snapshot: Literal["auto", "off"] = "auto"
    mongodb_read_preference: ReadPreference | None = None
    mongodb_budget_seconds: Annotated[float, Field(gt=0)] | None = None
    mongodb_reply_documents: Annotated[int, Field(ge=2, le=1_000)] = 1_000
    mongodb_megabytes_per_second: Annotated[float, Field(gt=0)] | None = None
    shards: Annotated[int, Field(ge=1, le=1_000)] = 1
    batch_organizations: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    home: Name = "/var/lib/billing_dq"
    state: Name | None = None
    first_night: date = date(2026, 1, 1)
    weeks_back: Annotated[int, Field(ge=0, le=52)] = 3
    follow_weeks: Annotated[int, Field(ge=0, le=104)] = 26
    settling_hours: Annotated[float, Field(ge=0, le=168)] = 6.0
    least_examined: Annotated[float, Field(gt=0, le=1)] = 0.5
    dollars_to_units: PositiveUnits = 1000.0
    stripe_api_key: Secret = None
    stripe_base_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    stripe_timeout_seconds: Annotated[float, Field(gt=0)] = 20.0
    stripe_budget_seconds: Annotated[float, Field(gt=0)] = 900.0
    stripe_dispute_days: Annotated[int, Field(ge=1)] = 180
    stripe_pending_minutes: Annotated[float, Field(ge=0)] = 15.0
    plan_change_resets_usage: bool = False
    runbook_url: Name = "RUNBOOKS.md"
    rules_folder: Name | None = None
    serve_url: Annotated[str, Field(pattern=r"^https?://\S*[^\s/]$")] | None = None
    collections: Collections = Collections()
    links: Links = Links()
    plans: dict[Name, Plan] = Field(default_factory=_default_plans)
    packs: dict[Name, Pack] = Field(default_factory=dict[str, Pack])
    tolerance: ToleranceSettings = ToleranceSettings()
    runaway: Runaway = Runaway()
    credits: Credits = Credits()
    retention: Retention = Retention()
    alerts: AlertSettings = AlertSettings()
    execution: Execution = Execution()

    @model_validator(mode="after")
    def _one_plan_per_price(self) -> Self:
        plan_of: dict[str, str] = {}
        for name, plan in self.plans.items():
            for price in plan.prices:
                if plan_of.setdefault(price, name) != name:
                    raise ValueError(f"price {price} belongs to two plans, {plan_of[price]} and {name}")
        reserved = {"unresolved", "ambiguous"} & set(self.plans)
        if reserved:
            raise ValueError(f"a plan cannot be called {', '.join(sorted(reserved))}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file: `load_settings` passes the file's content as the init values."""
        return env_settings, init_settings

    @property
    def mongodb_bytes_per_second(self) -> float | None:
        """How many bytes a second are read at most; None: as fast as the server answers."""
        megabytes = self.mongodb_megabytes_per_second
        return None if megabytes is None else megabytes * 1_000_000

    @property
    def state_directory(self) -> str:
        """Where what is appended to and locked is stored: ``state``, or the home."""
        return self.state or self.home

    @property
    def plan_of_price(self) -> dict[str, str]:
        """Plan by Stripe price id."""
        return {price: name for name, plan in self.plans.items() for price in plan.prices}

    @property
    def quota_of_plan(self) -> dict[str, float]:
        """Units per week by plan, of the plans whose quota is known."""
        return {name: plan.meter_quota for name, plan in self.plans.items() if plan.meter_quota is not None}

    @property
    def meter_tolerance(self) -> Tolerance:
        """The tolerance as the rules use it."""
        return Tolerance(self.tolerance.absolute_units, self.tolerance.relative)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of this process; ``environment`` names the file, and must name no unknown setting.

    Raises:
        SettingsError: a value, key, variable or the file itself cannot be used.
    """
    environment = os.environ if environment is None else environment
    _refuse_unknown_variables(environment)
    path, values = _read_file(environment)
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{_origin(key, environment, path)}: {key}: {reason}") from None
    except ValueError as error:  # a variable that is not the JSON its type needs
        raise SettingsError(f"environment: {error}") from None


def _read_file(environment: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    named = environment.get("BILLING_DQ_CONFIG")
    path = Path(named) if named else Path("billing_dq.toml")
    if not path.is_file():
        if named:
            raise SettingsError(f"{path}: the file that BILLING_DQ_CONFIG names does not exist")
        return None, {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not readable as TOML: {error}") from None
    for secret in SECRETS & set(values):
        raise SettingsError(f"{path}: {secret}: secrets come from the environment only, as {PREFIX}{secret.upper()}")
    _refuse_addresses(path, values)
    if isinstance(values.get("plans"), dict):
        values["plans"] = {**_default_plans(), **values["plans"]}
    return path, values


def _refuse_addresses(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse a route's address and signing secret in the file: the address holds passwords and tokens."""
    for name, route in _table(_table(values.get("alerts")).get("routes")).items():
        for secret in {"url", "signing_secret"} & set(_table(route)):
            key = f"alerts.routes.{name}.{secret}"
            variable = f"{PREFIX}{key.upper().replace('.', '__')}"
            raise SettingsError(f"{path}: {key}: secrets come from the environment only, as {variable}")


def _table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        is_setting = name.startswith(PREFIX) and not name.startswith(_NO_SETTINGS)
        if is_setting and name.removeprefix(PREFIX).split("__")[0].lower() not in Settings.model_fields:
            raise SettingsError(f"environment: {name}: unknown setting")


def _origin(key: str, environment: Mapping[str, str], path: Path | None) -> str:
    variable = PREFIX + key.upper().replace(".", "__")
    while variable != PREFIX.rstrip("_"):
        if variable in environment:
            return f"environment ({variable})"
        variable = variable.rpartition("__")[0] or PREFIX.rstrip("_")
    return str(path) if path else "settings"
