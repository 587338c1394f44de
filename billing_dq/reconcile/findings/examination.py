"""Which findings a night examined: only such a night may resolve them (docs/tables.md, "States of a finding").

A night did not examine what a source that failed would have shown, what a document that could not be read is about, and
what is no longer in its window. A document that does not say what it is about keeps open whatever it might be about.
"""

import pandas as pd

from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.quarantine import about_by_finding
from billing_dq.reconcile.pending import Pending
from billing_dq.vocabulary.collections import Collection
from billing_dq.vocabulary.kinds import KINDS, kinds_of_result
from billing_dq.weeks import NightWeeks, is_week_key

#: A subscription's findings are kept open by what only a comparison with Stripe knows; see `Coverage.covers`.
_SUBSCRIPTION_KINDS = kinds_of_result("subscription_drift")
_SHARED = frozenset({"subscription_shared", "customer_shared"})
_PAYMENT_KINDS = kinds_of_result("charges") | kinds_of_result("refunds")
#: How Stripe names charges and refunds; other subjects of these kinds stand in the ledgers.
_OF_PAYMENT = ("ch_", "py_", "re_", "pyr_")
_OF_DISPUTE = KINDS["dispute_parked"].rests_on


class Coverage:
    """What a night looked at, from its result tables."""

    def __init__(self, inputs: FindingInputs, weeks: NightWeeks) -> None:
        self._inputs = inputs
        self._keys = frozenset(weeks.keys)
        self._followed = _pairs(inputs.followed_weeks)
        self._read_keys = frozenset(weeks.matching_keys)
        self._current = weeks.keys[-1]
        self._unreadable = _unreadable(inputs.unreadable)
        self._unreadable_weeks = _unreadable_weeks(inputs.deltas)
        self._compared = _compared(inputs.deltas)
        self._bad_stripe = _bad_stripe(inputs.quarantined_stripe)
        self._invoices_not_read = inputs.invoices_not_read
        self._disputes = _values(inputs.dispute_positions, "dispute_id")
        #: Organizations whose one document of a collection was read: another bad one is not theirs, if it is silent.
        self._read = {
            "billingextrabalances": _values(inputs.balances, "organization_id"),
            "subscriptions": _values(inputs.subscriptions, "organization_id"),
        }
        self._payments = _values(inputs.charges, "charge_id") | _values(inputs.refunds, "refund_id")
        pending = Pending(weeks.as_of, inputs.pending_minutes)
        self._just_written = _just_written(inputs.subscriptions, pending)
        self._just_changed = _just_changed(inputs.stripe_subscriptions, pending)
        before = inputs.quarantined_before
        self._documents = {} if before is None else about_by_finding(before)

    def covers(self, kind: str, organization_id: str | None, subject: str, finding_id: str) -> bool:
        """Whether the night would have found this, were it still there. An incomplete night resolves nothing."""
        if not self._inputs.is_whole:
            return False
        if kind == "quarantined_documents":
            return self._document(finding_id)
        if not self._source_was_read(kind, subject):
            return False
        if kind == "dead_lettered_event":
            return not self._cannot_be_read(KINDS[kind].rests_on, None)
        if _is_about_dispute(kind, subject):
            # Stripe's list looks back some months only: a dispute that left it was not looked at.
            return subject in self._disputes and not self._cannot_be_read(_OF_DISPUTE, organization_id)
        if self._cannot_be_read(KINDS[kind].rests_on, organization_id):
            return False
        if kind in _PAYMENT_KINDS and subject.startswith(_OF_PAYMENT):
            # Stripe's lists look back some time only: a payment with a finding is read by its id after that.
            return subject in self._payments or kind == "refund_unknown_at_stripe"
        if kind in _SUBSCRIPTION_KINDS:
            pending = organization_id in self._just_written or subject in self._just_changed
            return not pending and not self._stripe_object_is_bad(kind, subject)
        if kind in _SHARED:  # by any document that cannot be read
            return not self._cannot_be_read(KINDS[kind].rests_on, None)
        if KINDS[kind].result in ("stale_past_due", "payers"):
            return organization_id not in self._just_written
        week = subject if is_week_key(subject) else self._current if kind == "runaway_balance" else None
        return week is None or self._week(organization_id, week)

    def looks_at(self, organization_id: str | None, week: str) -> bool:
        """Whether the organization's week lies in the window, or is followed behind it."""
        return week in self._keys or (organization_id, week) in self._followed

    def _source_was_read(self, kind: str, subject: str) -> bool:
        result = "disputes" if _is_about_dispute(kind, subject) else KINDS[kind].result
        return self._inputs.has(result)

    def _document(self, finding_id: str) -> bool:
        """Whether the document of a finding was read again. One of which no stored night knows anything was not."""
        if finding_id not in self._documents:
            return False
        collection, organization, week = self._documents[finding_id]
        of_stripe = collection.startswith("stripe.")
        source = self._inputs.quarantined_stripe if of_stripe else self._inputs.quarantined
        return source is not None and (
            week is None or week in self._read_keys or (organization, week) in self._followed
        )

    def _week(self, organization_id: str | None, week: str) -> bool:
        """Whether the night looks at the organization's week, and no bad usage document may be about it."""
        if not self.looks_at(organization_id, week) or (organization_id, week) in self._unreadable_weeks:
            return False
        if (organization_id, week) in self._compared:
            return True
        # Nothing of this week was read: a bad document, of an unknown week or organization too, may be the missing one.
        about = self._unreadable.get("billingusages", {})
        weeks = about.get(organization_id, frozenset()) | about.get(None, frozenset())
        return week not in weeks and None not in weeks

    def _cannot_be_read(self, collections: frozenset[Collection], organization_id: str | None) -> bool:
        """Whether a bad document of these collections is about the organization, or does not tell what it is about."""
        for collection in collections:
            about = self._unreadable.get(collection, {})
            read = organization_id in self._read.get(collection, frozenset())
            if organization_id in about or (None in about and not read) or (organization_id is None and about):
                return True
        return False

    def _stripe_object_is_bad(self, kind: str, subject: str) -> bool:
        if subject in self._bad_stripe.get("stripe.subscriptions", frozenset()):
            return True
        invoice_is_missing = "stripe.invoices" in self._bad_stripe or subject in self._invoices_not_read
        return kind == "invoice_marker_lag" and invoice_is_missing


def _is_about_dispute(kind: str, subject: str) -> bool:
    return kind.startswith("dispute_") or (kind == "livemode_mix" and subject.startswith(("du_", "dp_")))


def _unreadable(unreadable: pd.DataFrame | None) -> dict[str, dict[str | None, frozenset[str | None]]]:
    """By collection and organization (None: unknown): the weeks that cannot be read (None: any)."""
    found: dict[str, dict[str | None, frozenset[str | None]]] = {}
    if unreadable is None:
        return found
    columns = ["collection", "organization_id", "week_key"]
    for collection, organization, week in unreadable[columns].itertuples(index=False, name=None):
        about = found.setdefault(str(collection), {})
        key = organization if isinstance(organization, str) else None
        about[key] = about.get(key, frozenset()) | {week if isinstance(week, str) else None}
    return found


def _just_written(subscriptions: pd.DataFrame | None, pending: Pending) -> frozenset[str]:
    """Organizations whose subscription was written so lately that it is not judged yet."""
    if subscriptions is None:
        return frozenset()
    return _values(subscriptions.loc[pending.written(subscriptions)], "organization_id")


def _just_changed(at_stripe: pd.DataFrame | None, pending: Pending) -> frozenset[str]:
    """Subscriptions of the customers of whose any changed so lately at Stripe that it is not judged yet."""
    if at_stripe is None:
        return frozenset()
    customers = at_stripe.loc[pending.changed(at_stripe), "customer_id"]
    return _values(at_stripe.loc[at_stripe["customer_id"].isin(customers)], "stripe_subscription_id")


def _unreadable_weeks(deltas: pd.DataFrame | None) -> frozenset[tuple[str | None, str]]:
    return _weeks_where(deltas, unreadable=True)


def _compared(deltas: pd.DataFrame | None) -> frozenset[tuple[str | None, str]]:
    return _weeks_where(deltas, unreadable=False)


def _weeks_where(deltas: pd.DataFrame | None, unreadable: bool) -> frozenset[tuple[str | None, str]]:
    if deltas is None:
        return frozenset()
    return _pairs(deltas.loc[(deltas["grade"] == "unreadable") == unreadable])


def _pairs(rows: pd.DataFrame | None) -> frozenset[tuple[str | None, str]]:
    """Organizations and weeks of rows."""
    return frozenset() if rows is None else frozenset(zip(rows["organization_id"], rows["week_key"], strict=True))


def _values(frame: pd.DataFrame | None, column: str) -> frozenset[str]:
    return frozenset() if frame is None else frozenset(str(value) for value in frame[column])


def _bad_stripe(quarantined: pd.DataFrame | None) -> dict[str, frozenset[str]]:
    if quarantined is None:
        return {}
    bad: dict[str, frozenset[str]] = {}
    for collection, document in zip(quarantined["collection"], quarantined["document_id"], strict=True):
        bad[collection] = bad.get(collection, frozenset()) | {document}
    return bad
