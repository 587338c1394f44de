"""The sample's night without a server: documents decoded plainly, Stripe read over the loopback, the pure rules."""

from datetime import datetime
from pathlib import Path

from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.night import NightResult, reconcile_night
from billing_dq.settings import Settings
from billing_dq.sources.progress import SilentProgress
from billing_dq.sources.stripe.api import read_stripe
from billing_dq.weeks import NightWeeks
from billing_dq_simulation import local_stripe
from billing_dq_simulation.plain import plain_frames
from tests.support.sample_faults import AS_OF, Documents

PRICES = {
    "free": [],
    "starter": ["price_starter_monthly_v1", "price_starter_annual_v1"],
    "pro": ["price_pro_monthly_v2", "price_pro_annual_v2"],
    "enterprise": ["price_enterprise_monthly_v1", "price_enterprise_annual_v1"],
}
QUOTAS = {"free": 0, "starter": 500, "pro": 5000, "enterprise": 20000}
PACKS = {
    "pack_s": {"price_cents": 200, "units": 2000},
    "pack_m": {"price_cents": 500, "units": 6000},
    "pack_l": {"price_cents": 2000, "units": 25000},
}
SAMPLE_STRIPE = Path(__file__).parent.parent / "data" / "sample" / "stripe.json.gz"


def sample_settings(**others: object) -> Settings:
    """The settings that the sample's config.json amounts to."""
    plans = {name: {"meter_quota": QUOTAS[name], "prices": PRICES[name]} for name in QUOTAS}
    return Settings.model_validate({"plans": plans, "packs": PACKS, **others})


def pure_sample_night(documents: Documents, stripe: Documents) -> NightResult:
    """Everything that a first night says of these documents and objects."""
    theirs = stripe_tables(stripe, AS_OF)
    return reconcile_night(application_tables(documents, AS_OF), theirs, policy_of(sample_settings()))


def application_tables(documents: Documents, as_of: datetime) -> ApplicationTables:
    """The application's side of a night."""
    settings = sample_settings()
    weeks = NightWeeks(as_of, settings.weeks_back, settings.settling_hours)
    return ApplicationTables(weeks, plain_frames(documents, weeks, as_of))


def stripe_tables(objects: Documents, as_of: datetime, **others: object) -> StripeTables:
    """Stripe's side of a night, read over the loopback; `others` are settings."""
    with local_stripe.serve(objects) as server:
        settings = sample_settings(stripe_api_key="rk_live_x", stripe_base_url=server.url, **others)
        reading = read_stripe(settings, as_of, [], SilentProgress())
    return StripeTables(reading.frames, reading.livemode, frozenset(reading.invoices_not_read), since=reading.since)
