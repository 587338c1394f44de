"""What a simulated company is made of: its plans, packs and prices, and the knobs of a world."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

#: The instant of the snapshot unless one is given: a Saturday, so that the open week is nearly full.
DEFAULT_AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)

DOLLARS_TO_UNITS = 1000

#: Units a week by plan.
QUOTAS: dict[str, int] = {"free": 0, "starter": 500, "pro": 5000, "enterprise": 20000}

#: The label of each plan's definition.
PLAN_VERSIONS: dict[str, str] = {"free": "v1", "starter": "v1", "pro": "v2", "enterprise": "v1"}

#: The prices that the application maps to a plan.
PRICES: dict[str, tuple[str, ...]] = {
    "starter": ("price_starter_monthly_v1", "price_starter_annual_v1"),
    "pro": ("price_pro_monthly_v2", "price_pro_annual_v2"),
    "enterprise": ("price_enterprise_monthly_v1", "price_enterprise_annual_v1"),
}


@dataclass(frozen=True)
class Pack:
    """A pack of extras: price in US cents, units, days until what is left expires (None: never)."""

    name: str
    price_cents: int
    units: int
    expiry_days: int | None


PACKS: dict[str, Pack] = {
    "pack_s": Pack("pack_s", 200, 2000, 14),
    "pack_m": Pack("pack_m", 500, 6000, 30),
    "pack_x": Pack("pack_x", 300, 2500, 21),
    "pack_l": Pack("pack_l", 2000, 25000, None),
}


@dataclass(frozen=True)
class WorldConfig:
    """A world. The same configuration gives the same bytes, and an organization depends on its index only.

    Attributes:
        seed: of everything that is random.
        organizations: how many there are.
        weeks: ISO weeks with usage, the open one included.
        as_of: the instant at which the documents are looked at; nothing in a clean world is later.
        entries_per_week: mean number of finished steps of an organization in a week.
        faults: rate by fault kind (see `faults.catalogue.FAULTS`), for each organization that can have it.
        trouble: how much of the trouble that is no fault happens (docs/domain.md, "What was learnt later"): 0 none of
        it,
            1 all of it at its full rates.
        document_bytes: how large the document of the fault ``large_document`` is made.

    Raises:
        ValueError: a value that makes no world; the message says which.
    """

    seed: int = 1
    organizations: int = 100
    weeks: int = 5
    as_of: datetime = DEFAULT_AS_OF
    entries_per_week: float = 5.0
    faults: Mapping[str, float] = field(default_factory=dict)
    document_bytes: int = 9 * 1024 * 1024
    trouble: float = 0.0

    def __post_init__(self) -> None:
        if self.organizations < 0:
            raise ValueError("organizations must not be negative")
        if not 1 <= self.weeks <= 520:
            raise ValueError("weeks must be between 1 and 520")
        if self.as_of.tzinfo is None:
            raise ValueError("as_of must have a time zone")
        if not 0 <= self.entries_per_week <= 10_000:
            raise ValueError("entries_per_week must be between 0 and 10000")
        if not 0 <= self.trouble <= 1:
            raise ValueError("trouble must be between 0 and 1")
        for name, rate in self.faults.items():
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {name} must be between 0 and 1")

    @property
    def first_week(self) -> datetime:
        """The Monday on which usage begins."""
        day = self.as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day - timedelta(days=day.weekday(), weeks=self.weeks - 1)


def world_settings(config: WorldConfig, database: str = "app") -> dict[str, object]:
    """The content of the billing_dq.toml with which this world is reconciled."""
    return {
        "mongodb_database": database,
        "first_night": config.first_week.date(),
        "dollars_to_units": DOLLARS_TO_UNITS,
        "plans": {name: {"meter_quota": quota, "prices": list(PRICES.get(name, ()))} for name, quota in QUOTAS.items()},
        "packs": {pack.name: {"price_cents": pack.price_cents, "units": pack.units} for pack in PACKS.values()},
    }


def settings_toml(config: WorldConfig, database: str = "app") -> str:
    """The same as the text of a TOML file."""
    lines: list[str] = []
    tables: list[str] = []
    for key, value in world_settings(config, database).items():
        if not isinstance(value, dict):
            lines.append(f"{key} = {_toml(value)}")
            continue
        for name, section in value.items():
            tables += [f"\n[{key}.{name}]", *(f"{knob} = {_toml(content)}" for knob, content in section.items())]
    return "\n".join([*lines, *tables]) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
