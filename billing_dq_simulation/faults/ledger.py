"""Faults of ledgers and balances (docs/domain.md, "Ledger" and "Existence")."""

from dataclasses import replace
from datetime import timedelta

from bson import ObjectId

from billing_dq_simulation.clock import DAY, HOUR, SECOND, to_datetime, to_millis
from billing_dq_simulation.company.application import Crashes, Entry
from billing_dq_simulation.company.story import Changes, Story
from billing_dq_simulation.faults.cases import Case, Documents
from billing_dq_simulation.labels import Document, SimulatedOrganization

_VIOLATION = "ledger_violation"
_SWEEP_GRACE = 48 * HOUR
_ENTRY_BYTES = 100

Outcome = SimulatedOrganization | None


def cached_balance_drift(case: Case) -> Outcome:
    """The cached balance is not the ledger's sum."""
    if case.story.application.balance is None:
        return None
    units = case.random.choice((-1, 1)) * case.random.randint(1, 1000)

    def edit(documents: Documents) -> None:
        balance = documents["billingextrabalances"][0]
        balance["cachedBalance"] = balance["cachedBalance"] + units  # type: ignore[operator]

    return case.end(case.story, [case.label(_VIOLATION, case.organization, units, "cached_balance")], edit)


def orphan_balance(case: Case) -> Outcome:
    """The organization and its subscription are deleted, the balance stays."""
    application, account = case.story.application, case.story.account
    if application.balance is None or account.subscription is not None or account.objects["charges"]:
        return None

    def edit(documents: Documents) -> None:
        documents["organizations"].clear()
        documents["subscriptions"].clear()

    labels = [case.label("orphan_balance", case.organization, -application.balance_units)]
    return case.end(case.story, labels, edit)


def grant_in_two_ledgers(case: Case) -> Outcome:
    """An older version gave one grant to another organization as well."""
    story, prefixes = case.story, ("signup_grant-", "referral:")
    grants = [entry for entry in story.application.ledger if str(entry.get("refId")).startswith(prefixes)]
    if not grants:
        return None
    grant = case.random.choice(grants)
    other = ObjectId(f"{story.born // SECOND:08x}{case.random.getrandbits(64):016x}")
    copy = grant | {"_id": ObjectId(f"{story.end // SECOND:08x}{str(other)[8:]}"), "at": to_datetime(story.end - DAY)}
    copy.pop("expiresAt", None)
    balance = {"_id": other, "organization": other, "ledger": [copy], "cachedBalance": copy["amount"]}

    def edit(documents: Documents) -> None:
        documents["organizations"].append({"_id": other, "plan": "free"})
        documents["billingextrabalances"].append(balance)

    units = float(str(copy["amount"]))
    label = case.label(_VIOLATION, str(copy["_id"]), units, "grant_in_two_ledgers")
    return case.end(story, [replace(label, organization_id=str(other))], edit)


def duplicate_ref(case: Case) -> Outcome:
    """A grant is given twice under one refId."""
    ref_id = f"signup_grant-{case.organization}"
    if not any(entry.get("refId") == ref_id for entry in case.story.application.ledger):
        return None
    story = case.replay(Changes(Crashes(doubled={ref_id})))
    copy = [entry for entry in story.application.ledger if entry.get("refId") == ref_id][1]
    return case.end(story, [_violation(case, copy, "duplicate_ref")])


def duplicate_session(case: Case) -> Outcome:
    """A pack is credited twice for one checkout session."""
    if not case.story.purchases:
        return None
    purchase = case.random.choice(case.story.purchases)
    pack, session = purchase.pack, str(purchase.topup["stripeSessionId"])
    at = purchase.at + 5000
    expires = None if pack.expiry_days is None else at + pack.expiry_days * DAY

    def again(story: Story) -> None:
        topup = story.application.top_up_pack(at, pack.units, session, expires)
        if expires is not None:
            story.plan_sweep(topup, expires)

    story = case.replay(Changes(happenings=[(at, again)]))
    copies = [entry for entry in story.application.ledger if entry.get("stripeSessionId") == session]
    topups = [entry for entry in copies if entry["kind"] == "topup"]
    return case.end(story, [_violation(case, topups[1], "duplicate_session")]) if len(topups) == 2 else None


def _violation(case: Case, entry: Entry, rule: str):
    return case.label(_VIOLATION, str(entry["_id"]), float(entry["amount"]), rule)  # type: ignore[arg-type]


def wrong_sign(case: Case) -> Outcome:
    """An entry has the wrong sign, and the balance with it: twice its amount is missing on the right side."""
    application = case.story.application
    if _has_expiry(application.ledger):
        return None
    choices = [entry for entry in application.ledger if entry["kind"] == "debit"]
    if not choices:
        return None
    entry = case.random.choice(choices)
    units = -float(entry["amount"])  # type: ignore[arg-type]

    def edit(documents: Documents) -> None:
        entry["amount"] = units
        balance = documents["billingextrabalances"][0]
        balance["cachedBalance"] = balance["cachedBalance"] + 2 * units  # type: ignore[operator]

    return case.end(case.story, [case.label(_VIOLATION, str(entry["_id"]), 2 * units, "sign")], edit)


def zero_amount(case: Case) -> Outcome:
    """A grant of nothing."""
    return _entry(
        case, "topup", 0, {"refId": f"adjustment-{case.story.ids.uuid()}", "source": "adjustment"}, "zero_amount"
    )


def missing_ref(case: Case) -> Outcome:
    """An adjustment that names nothing."""
    return _entry(case, "adjustment", case.random.randint(1, 500), {}, "missing_ref")


def unknown_kind(case: Case) -> Outcome:
    """An entry of a kind that nobody knows."""
    return _entry(case, "bonus", case.random.randint(1, 500), {"refId": "bonus-1"}, "unknown_kind")


def _entry(case: Case, kind: str, units: int, fields: Entry, rule: str) -> Outcome:
    weeks = [start for start in case.night_weeks if case.exists_in(start)]
    # A credit that no rule knows would change what a settlement repays; where credits expire, what is left of them.
    if not weeks or _has_expiry(case.story.application.ledger) or case.quota:
        return None
    at = case.instant(case.random.choice(weeks))
    written: list[Entry] = []
    story = case.replay(
        Changes(happenings=[(at, lambda story: written.append(story.application.write(at, kind, units, fields)))])
    )
    # its form is wrong, and nobody says of its amount that it should not be
    return case.end(story, [case.label(_VIOLATION, str(written[0]["_id"]), units, rule).without_money()])


def future_entry(case: Case) -> Outcome:
    """A grant dated an hour after the snapshot."""
    if case.story.application.balance is None:
        return None
    at, units = case.story.end + HOUR, case.random.randint(1, 500)
    fields: Entry = {"refId": f"adjustment-{case.story.ids.uuid()}", "source": "adjustment"}
    entry = case.story.application.write(at, "topup", units, fields)
    balance = case.story.application.balance
    balance["cachedBalanceAt"] = balance["updatedAt"] = to_datetime(case.story.end - HOUR)
    label = case.label(_VIOLATION, str(entry["_id"]), units, "future_entry").without_money()
    return case.end(case.story, [label])


def _has_expiry(ledger: list[Entry]) -> bool:
    return any("expiresAt" in entry for entry in ledger)


def _swept(case: Case) -> list[tuple[Entry, Entry]]:
    """Expired top-ups with the entry that swept them, long enough ago."""
    application = case.story.application
    pairs = [(entry, application.sweeps.get(f"expire-{entry['_id']}")) for entry in application.ledger]
    return [
        (topup, sweep)
        for topup, sweep in pairs
        if sweep is not None and to_millis(topup["expiresAt"]) + _SWEEP_GRACE < case.story.end - HOUR  # type: ignore[arg-type]
    ]


def expiry_not_swept(case: Case) -> Outcome:
    """What is left of an expired pack is never removed."""
    swept = _swept(case)
    if not swept:
        return None
    topup, sweep = case.random.choice(swept)
    story = case.replay(Changes(Crashes(lost={str(sweep["refId"])})))
    units = -float(sweep["amount"])  # type: ignore[arg-type]
    return case.end(story, [case.label(_VIOLATION, str(topup["_id"]), units, "expiry_not_swept")])


def expiry_twice(case: Case) -> Outcome:
    """A pack is swept a second time, for as much again."""
    swept = _swept(case)
    if not swept:
        return None
    topup, sweep = case.random.choice(swept)
    at = to_millis(sweep["at"]) + HOUR  # type: ignore[arg-type]
    units = float(sweep["amount"])  # type: ignore[arg-type]
    written: list[Entry] = []

    def again(story: Story) -> None:
        if units:
            story.application.lots.refund(topup["_id"], -units, at)  # type: ignore[arg-type]
        written.append(story.application.write(at, "expiration", units, {"refId": str(sweep["refId"])}))

    story = case.replay(Changes(happenings=[(at, again)]))
    if not written:
        return None
    return case.end(story, [case.label(_VIOLATION, str(written[0]["_id"]), units, "expiry_twice")])


def expiry_too_much(case: Case) -> Outcome:
    """A sweep takes more than was left of its pack."""
    swept = _swept(case)
    if not swept:
        return None
    _, sweep = case.random.choice(swept)
    units = case.random.randint(1, 300)
    story = case.replay(Changes(Crashes(overswept={str(sweep["refId"]): units})))
    entry = story.application.sweeps[str(sweep["refId"])]
    return case.end(story, [case.label(_VIOLATION, str(entry["_id"]), -units, "expiry_too_much")])


def large_document(case: Case) -> Outcome:
    """A ledger that nears MongoDB's 16 MiB: grants of one unit, before the weeks of the night."""
    balance = case.story.application.balance
    if balance is None or case.quota:
        return None
    count = case.config.document_bytes // _ENTRY_BYTES
    first = case.config.first_week - timedelta(days=60)

    def edit(documents: Documents) -> None:
        older: list[Document] = [
            {
                "kind": "topup",
                "amount": 1,
                "refId": f"adjustment-{position:010d}",
                "source": "adjustment",
                "at": first + timedelta(seconds=position),
                "_id": case.story.ids.object_id(to_millis(first)),
            }
            for position in range(count)
        ]
        ledger = documents["billingextrabalances"][0]
        ledger["ledger"] = older + case.story.application.ledger
        ledger["cachedBalance"] = ledger["cachedBalance"] + count  # type: ignore[operator]

    return case.end(case.story, [case.label(_VIOLATION, case.organization, 0.0, "document_size")], edit)
