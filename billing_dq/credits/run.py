"""One run over everything that is due: the parts put together, and the loop over the disputes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from billing_dq.credits.agreement import audit_log, require_agreement
from billing_dq.credits.anchor import whole_log
from billing_dq.credits.apply import UNKNOWN_MODE, Applier, UnverifiedCredit, unverified_intents
from billing_dq.credits.audit import AuditError
from billing_dq.credits.ledger_writer import open_ledger_writer
from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import CreditPlan
from billing_dq.credits.planner import Planner, plans_of_night
from billing_dq.credits.requests import CreditOutcome, CreditRequest, RunBudget
from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import open_organization_reader
from billing_dq.sources.stripe.client import mode_of_key

Outcomes = Iterator[tuple[str, CreditOutcome | SourceError]]


def credits_off(settings: Settings) -> str | None:
    """Why nothing can be credited at all; None where credits are on. To propose, no address to write to is needed."""
    if settings.credits.mode == "off":
        return 'credits are off: the setting credits.mode is off; "propose" shows them, "apply" writes them'
    if settings.credits.mode == "apply" and settings.mongodb_write_uri is None:
        return "credits are off: set BILLING_DQ_MONGODB_WRITE_URI to a user who may update balances"
    try:
        unknown = mode_of_key(settings) is None
    except SourceError as error:
        return f"credits are off: {error}"
    return f"credits are off: {UNKNOWN_MODE}" if unknown else None


@contextmanager
def open_applier(settings: Settings, settings_now: Callable[[], Settings]) -> Iterator[Applier]:
    """Everything that a credit needs, connected; closed afterwards.

    Raises:
        SettingsError: the home is no local directory.
        SourceError: credits are off (by their mode, by the key's, or without an address to write to), or an address is
            missing.
        AuditError: the audit log is not whole, or does not tell what this home wrote into the ledgers.
    """
    why_off = credits_off(settings)
    if why_off is not None:
        raise SourceError(why_off)
    with open_organization_reader(settings) as reader, open_ledger_writer(settings) as writer:
        require_agreement(settings, reader)

        def plan(dispute_id: str, on_record: OnRecord) -> CreditPlan:
            # limits that were lowered meanwhile hold from the next plan on
            now = settings.model_copy(update={"credits": settings_now().credits})
            return Planner(now, reader).plan(dispute_id, on_record)

        yield Applier(plan, writer, audit_log(settings), settings_now)


def plan_now(settings: Settings, dispute_id: str) -> CreditPlan:
    """The plan of one dispute as the world is now; nothing is written.

    Raises:
        SourceError: as `Planner.plan`.
    """
    on_record = OnRecord.of(whole_log(settings))
    with open_organization_reader(settings) as reader:
        return Planner(settings, reader).plan(dispute_id, on_record)


def candidates(settings: Settings) -> list[str]:
    """The disputes a run looks at: due on the newest stored night, and those that an interrupted run left open.

    Raises:
        SourceError: no night is stored.
    """
    reading = whole_log(settings)
    plans = plans_of_night(settings, OnRecord.of(reading)).plans
    due = [plan.dispute_id for plan in plans if plan.decision in ("due", "needs_approval", "above_cap")]
    interrupted = [
        str(intent.dispute_id) for intent in unverified_intents(reading.records) if not intent.facts["closed"]
    ]
    return list(dict.fromkeys([*interrupted, *due]))


def apply_all(applier: Applier, disputes: list[str], asked: CreditRequest, budget: RunBudget) -> Outcomes:
    """Apply one dispute after the other; one that cannot be read does not keep the others from their credit.

    Args:
        applier: what carries a credit out.
        disputes: their ids.
        asked: who asks and why; its dispute is replaced by each one.
        budget: what all of them may come to.

    Raises:
        TransientSourceError, AuditError, UnverifiedCredit: what would befall the others as well, or must be looked at.
    """
    for dispute_id in disputes:
        try:
            yield dispute_id, applier.apply(replace(asked, dispute_id=dispute_id), budget)
        except (TransientSourceError, AuditError, UnverifiedCredit):
            raise
        except SourceError as error:
            yield dispute_id, error
