"""What earlier nights knew, from the stored tables. A night looks only at earlier ones, and can be run again."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from billing_dq.reconcile.disputes.statuses import FINAL, WON
from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.ageing import known_before
from billing_dq.reconcile.findings.quarantine import KIND, documents_of
from billing_dq.reconcile.findings.standing import is_open
from billing_dq.reconcile.followed_weeks import weeks_to_follow
from billing_dq.reconcile.inputs import ApplicationTables, Earlier
from billing_dq.reconcile.ledger.past import HISTORY_CHANGED, seals_to_continue
from billing_dq.reconcile.meter.context import no_earlier_plans
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.followed import SEAL_COLUMNS, Followed
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import (
    DISPUTE_POSITIONS,
    FINDINGS,
    FOLLOWED_WEEKS,
    LEDGER_SEALS,
    METER_EXTRAS_DELTAS,
    QUARANTINED_DOCUMENTS,
    QUARANTINED_STRIPE_OBJECTS,
    STRIPE_DISPUTES,
    SUBSCRIPTIONS,
    UNREADABLE_KEYS,
    WEEKLY_USAGE,
    Table,
)
from billing_dq.vocabulary.kinds import kinds_of_result
from billing_dq.weeks import NightWeeks, Week

#: How many earlier nights are asked for what they resolved, to tell a finding that comes back from a new one.
_RESOLVED_NIGHTS = 30
#: How Stripe names charges and refunds.
_PAYMENT_IDS = ("ch_", "py_", "re_", "pyr_")


def earlier_evidence(lake: Lake, night: str, application: ApplicationTables) -> Earlier:
    """The quotas and plans that earlier nights saw: evidence for the meter, in the night's weeks and the followed ones.

    Args:
        lake: the stored nights.
        night: the night, YYYY-MM-DD.
        application: its weeks, `SUBSCRIPTIONS` and `FOLLOWED_WEEKS`.
    """
    keys, subscriptions, weeks = application.weeks.keys, application.subscriptions, application.followed_weeks
    evidence = Earlier(quotas=earlier_quotas(lake, night, keys), plans=earlier_plans(lake, night, keys, subscriptions))
    if weeks.empty:
        return evidence
    followed, organizations = sorted(set(weeks["week_key"])), weeks["organization_id"]
    of_followed = subscriptions[subscriptions["organization_id"].isin(organizations)]
    return replace(
        evidence,
        quotas_of_followed=earlier_quotas(lake, night, followed, organizations),
        plans_of_followed=earlier_plans(lake, night, followed, of_followed),
    )


def followed_by(lake: Lake, night: str, weeks: NightWeeks, follow_weeks: int) -> Followed:
    """The weeks behind its window that a night looks at again, because the newest earlier night left a finding open.

    Args:
        lake: the stored nights.
        night: the night, YYYY-MM-DD.
        weeks: its weeks.
        follow_weeks: the setting.
    """
    for earlier in _before(lake, FINDINGS, night)[-1:]:
        stored = lake.require(FINDINGS, earlier).frame()
        findings = with_acceptances(stored, stored, AcceptanceLog(lake.home).read(), earlier)
        followed = lake.stored(FOLLOWED_WEEKS, earlier)
        before = FOLLOWED_WEEKS.empty() if followed is None else followed.frame()
        of_seals = findings[(findings["cause"] == HISTORY_CHANGED) & findings["accepted_by"].notna()]
        return Followed(
            weeks_to_follow(findings, documents_of_findings(lake, findings), before, weeks, follow_weeks),
            seals_before(lake, night, set(of_seals["organization_id"])),
        )
    return Followed(seals=seals_before(lake, night, set()))


def seals_before(lake: Lake, night: str, accepted: set[str]) -> pd.DataFrame:
    """The seals that the ledgers of a night must continue, as the newest earlier night that sealed left them.

    Args:
        lake: the stored nights.
        night: the night, YYYY-MM-DD.
        accepted: organizations whose changed history a person accepted.

    Returns:
        `SEAL_COLUMNS`.
    """
    for earlier in _before(lake, LEDGER_SEALS, night)[-1:]:
        return seals_to_continue(lake.require(LEDGER_SEALS, earlier).frame(), accepted)
    return LEDGER_SEALS.empty()[SEAL_COLUMNS]


def broken_seals(lake: Lake, night: str) -> list[str]:
    """The organizations whose seal of a night does not continue what the night before left, whoever accepted what.

    Args:
        lake: the stored nights.
        night: the night, YYYY-MM-DD.
    """
    seals = lake.require(LEDGER_SEALS, night).frame().dropna(subset="earlier_digest")
    for earlier in _before(lake, LEDGER_SEALS, night)[-1:]:
        stored = lake.require(LEDGER_SEALS, earlier).frame()
        accepted = seals_to_continue(stored, set(stored["organization_id"]))
        left = pd.concat([seals_to_continue(stored, set()), accepted])
        key = ["organization_id", "entry_count", "digest"]
        continued = seals[["organization_id", "earlier_count", "earlier_digest"]].set_axis(key, axis="columns")
        is_continued = pd.MultiIndex.from_frame(continued).isin(pd.MultiIndex.from_frame(left[key]))
        lost = set(accepted["organization_id"]) - set(seals["organization_id"])
        return sorted({*continued.loc[~is_continued, "organization_id"], *lost})
    return []


def earlier_quotas(
    lake: Lake, night: str, week_keys: Sequence[str], organizations: pd.Series | None = None
) -> pd.DataFrame:
    """``organization_id``, ``week_key``, ``meter_quota`` as earlier nights saw the weeks of some keys, each once.

    ``week_keys`` are in order; ``organizations``: of these only.
    """
    columns = ["organization_id", "week_key", "meter_quota"]
    quotas = WEEKLY_USAGE.empty()[columns]
    for facts, stored in _read_before(lake, WEEKLY_USAGE, night):
        if facts.weeks.keys[-1] < week_keys[0]:
            break
        if set(week_keys) & set(facts.weeks.matching_keys):
            usage = stored.frame(columns)
            usage = usage[usage["week_key"].isin(week_keys)]
            if organizations is not None:
                usage = usage[usage["organization_id"].isin(organizations)]
            quotas = pd.concat([quotas, usage]).drop_duplicates()
    return quotas.reset_index(drop=True)


def earlier_plans(lake: Lake, night: str, week_keys: Sequence[str], subscriptions: pd.DataFrame) -> pd.DataFrame:
    """``organization_id``, ``seen_at``, ``plan`` of subscriptions that earlier nights saw with another plan.

    Only nights within these weeks, in order, are asked: a plan that was live at another time tells nothing about them.
    """
    plan_of = subscriptions.set_index("organization_id")["plan"]
    plans = [no_earlier_plans()]
    for facts, stored in _read_before(lake, SUBSCRIPTIONS, night):
        if facts.as_of < Week.parse(week_keys[0]).start:
            break
        if Week.of(facts.as_of).key in week_keys:
            earlier = stored.frame(["organization_id", "plan"]).dropna()
            is_known = earlier["organization_id"].isin(plan_of.index)
            differs = is_known & (earlier["plan"] != earlier["organization_id"].map(plan_of))
            changed = earlier[differs].assign(seen_at=pd.Timestamp(facts.as_of).as_unit("ms"))
            plans.append(changed[list(plans[0].columns)])
    return pd.concat(plans, ignore_index=True).astype(plans[0].dtypes.to_dict())


def earlier_than(lake: Lake, night: str, weeks: NightWeeks) -> Earlier:
    """What earlier nights knew of closed weeks and findings, and what people accepted since; the evidence for the meter
    is `earlier_evidence`.

    Args:
        lake: the stored nights.
        night: the night, YYYY-MM-DD.
        weeks: its weeks.
    """
    findings = findings_before(lake, night)
    return Earlier(
        closed_weeks=earlier_closed_weeks(lake, night, weeks),
        findings=findings,
        quarantined=None if findings is None else documents_of_findings(lake, findings),
        acceptances=AcceptanceLog(lake.home).read(),
    )


def earlier_closed_weeks(lake: Lake, night: str, weeks: NightWeeks) -> pd.DataFrame:
    """`METER_EXTRAS_DELTAS` rows of every week that an earlier night saw closed and that is not closed in this one.

    A week's rows are of the newest night that saw it closed.
    """
    covered = _closed(weeks)
    deltas = [METER_EXTRAS_DELTAS.empty()]
    for earlier in reversed(_before(lake, METER_EXTRAS_DELTAS, night)):
        facts, stored = SnapshotFactsRecord.of(lake.home, earlier), lake.stored(METER_EXTRAS_DELTAS, earlier)
        # an incomplete night knows some organizations' weeks only
        closed = set() if facts is None or facts.incomplete_because else _closed(facts.weeks) - covered
        if stored is not None and closed:
            deltas.append(stored.where("week_key", closed))
            covered |= closed
    return pd.concat(deltas, ignore_index=True)


def findings_before(lake: Lake, night: str) -> pd.DataFrame | None:
    """What was known before the night; None where it is the first."""
    nights = [lake.stored(FINDINGS, earlier) for earlier in _before(lake, FINDINGS, night)[-_RESOLVED_NIGHTS:]]
    return known_before([stored.frame() for stored in nights if stored is not None])


def documents_of_findings(lake: Lake, findings: pd.DataFrame) -> pd.DataFrame:
    """The documents that open findings about unreadable documents are about, from the night that last saw each.

    Args:
        lake: the stored nights.
        findings: `FINDINGS` that were known before a night.

    Returns:
        `quarantine.DOCUMENT_COLUMNS`. A document whose night is no longer stored is left out.
    """
    of_documents = (findings["kind"] == KIND) & is_open(findings)
    documents = [documents_of(QUARANTINED_DOCUMENTS.empty(), UNREADABLE_KEYS.empty())]
    for night in sorted(set(findings.loc[of_documents, "last_seen"])):
        unreadable = lake.stored(UNREADABLE_KEYS, night)
        for table in (QUARANTINED_DOCUMENTS, QUARANTINED_STRIPE_OBJECTS):
            stored = lake.stored(table, night)
            if stored is not None and unreadable is not None:
                documents.append(documents_of(stored.frame(), unreadable.frame()))
    return pd.concat(documents).drop_duplicates(["collection", "document_id"], keep="last", ignore_index=True)


def disputes_to_read_again(lake: Lake, night: str) -> list[str]:
    """Disputes that the newest earlier night with Stripe left open: not final at Stripe, or with units due or parked.

    `won` is not final: the money can come after the look-back. A won dispute is left to the look-back where nothing was
    taken, or where all of the money is back.
    """
    dispute_ids: set[str] = set()
    for earlier in _before(lake, STRIPE_DISPUTES, night)[-1:]:
        disputes, positions = lake.stored(STRIPE_DISPUTES, earlier), lake.stored(DISPUTE_POSITIONS, earlier)
        settled: set[str] = set()
        if positions is not None:
            frame = positions.frame(["dispute_id", "withdrawn_minor", "clawed_back_units", "fraction", "decision"])
            untouched = (frame["withdrawn_minor"] == 0) & (frame["clawed_back_units"] == 0)
            settled.update(frame.loc[untouched | (frame["fraction"] == 1.0), "dispute_id"])
            dispute_ids.update(frame.loc[frame["decision"].isin(["due", "parked"]), "dispute_id"])
        if disputes is not None:
            frame = disputes.frame(["dispute_id", "status"])
            closed = frame["status"].isin(FINAL) | ((frame["status"] == WON) & frame["dispute_id"].isin(settled))
            dispute_ids.update(frame.loc[~closed, "dispute_id"])
    return sorted(dispute_ids)


def payments_to_read_again(lake: Lake, night: str) -> list[str]:
    """Charges and refunds with an open finding, so that a remedy is seen however old they are."""
    findings = findings_before(lake, night)
    if findings is None:
        return []
    kinds = kinds_of_result("charges") | kinds_of_result("refunds")
    # a refund that Stripe does not know cannot be read there
    of_payments = findings["kind"].isin(kinds - {"refund_unknown_at_stripe"}) & is_open(findings)
    of_payments &= findings["subject"].str.startswith(_PAYMENT_IDS)
    return sorted(findings.loc[of_payments, "subject"])


def _before(lake: Lake, table: Table, night: str) -> list[str]:
    return [stored for stored in lake.nights(table) if stored < night]


def _read_before(lake: Lake, table: Table, night: str) -> Iterator[tuple[SnapshotFactsRecord, StoredTable]]:
    """What earlier nights read, newest first; also nights that are not concluded: what they read is evidence."""
    for earlier in reversed(lake.nights_of_evidence(table)):
        facts, stored = SnapshotFactsRecord.of(lake.home, earlier), lake.stored(table, earlier)
        if earlier < night and facts is not None and stored is not None:  # without facts it was not read to its end
            yield facts, stored


def _closed(weeks: NightWeeks) -> set[str]:
    return {week for week, state in weeks.states().items() if state == "closed"}
