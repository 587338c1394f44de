"""Faults of ledgers: dates, order, kinds and numbers of entries."""

from billing_dq_simulation.clock import DAY, HOUR, SECOND, WEEK, to_datetime, to_millis, week_start
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.cases import WEEKS_BACK
from billing_dq_simulation.faults.tables.organization import (
    Ledger,
    Plant,
    instant,
    ledger_of,
    new_id,
    seconds_for_milliseconds,
)
from billing_dq_simulation.labels import Document, SimulatedOrganization


def _expires(ledger: Ledger) -> bool:
    return any("expiresAt" in entry for entry in ledger)


def _has_expired(ledger: Ledger, config: WorldConfig) -> bool:
    return any(entry.get("expiresAt", config.as_of) < config.as_of for entry in ledger)  # type: ignore[operator]


def _is_plain(ledger: Ledger) -> bool:
    """Nothing but grants, packs and debits, none of which expires."""
    return bool(ledger) and not _expires(ledger) and all(entry["kind"] in ("topup", "debit") for entry in ledger)


def _window(config: WorldConfig) -> int:
    """The first instant whose entries a night reads."""
    return week_start(to_millis(config.as_of)) - WEEKS_BACK * WEEK - DAY


def _push(ledger: Ledger, at: int, kind: str, units: float, ref_id: str) -> None:
    name = new_id(ledger[0]["_id"], len(ledger))
    ledger.append({"kind": kind, "amount": units, "refId": ref_id, "at": to_datetime(at), "_id": name})


def expiry_of_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A grant of the night's weeks whose expiry was written so."""
    ledger = ledger_of(organization)
    recent = [entry for entry in ledger if entry["kind"] == "topup" and instant(entry) >= _window(config)]
    if not recent or _expires(ledger):
        return False
    recent[0]["expiresAt"] = to_datetime(to_millis(config.as_of) // 1000)
    return True


def first_entry_of_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The sign-up grant of a ledger that is replayed."""
    ledger = ledger_of(organization)
    if not _has_expired(ledger, config) or ledger[0].get("source") != "signup_grant":
        return False
    seconds_for_milliseconds(ledger[0], "at")
    return True


def pack_of_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A bought pack that never expires."""
    ledger = ledger_of(organization)
    packs = [entry for entry in ledger if "stripeSessionId" in entry and entry["kind"] == "topup"]
    if not packs or not _is_plain(ledger):
        return False
    seconds_for_milliseconds(packs[0], "at")
    return True


def pushed_1970(kind: str, units: float, ref_id: str) -> Plant:
    """An entry of that day, pushed behind the others, of an organization that has no such entry yet."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        ledger = ledger_of(organization)
        if not _is_plain(ledger):
            return False
        _push(ledger, to_millis(config.as_of) // 1000, kind, units, ref_id)
        return True

    return plant


def kind_of_now(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A release writes a kind that nobody knows."""
    ledger = ledger_of(organization)
    if not ledger or _expires(ledger) or instant(ledger[-1]) < _window(config):
        return False
    _push(ledger, instant(ledger[-1]) + SECOND, "bonus", 50, "bonus-1")
    return True


def kind_of_old(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The same, long before the weeks of the night, in a ledger that is replayed."""
    ledger = ledger_of(organization)
    if not _has_expired(ledger, config) or instant(ledger[0]) + HOUR >= _window(config):
        return False
    _push(ledger, instant(ledger[0]), "bonus", 50, "bonus-1")
    ledger.insert(1, ledger.pop())
    return True


def _behind(organization: SimulatedOrganization, entry: Document, before: Document) -> bool:
    """A server whose clock is an hour behind pushed the entry."""
    entry["at"] = to_datetime(instant(before) - HOUR)
    return True


def clock_behind_now(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The newest debit, within the weeks of the night."""
    ledger = ledger_of(organization)
    if not _is_plain(ledger) or len(ledger) < 2 or instant(ledger[-2]) - HOUR < _window(config):
        return False
    return ledger[-1]["kind"] == "debit" and _behind(organization, ledger[-1], ledger[-2])


def clock_behind_then(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """Before the weeks of the night, in a ledger that is replayed."""
    ledger = ledger_of(organization)
    old = [entry for entry in ledger if instant(entry) < _window(config)]
    if not _has_expired(ledger, config) or len(old) < 2 or old[1]["kind"] != "debit":
        return False
    return _behind(organization, old[1], old[0])


def clock_behind_of_corrections(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """Of two corrections, before the weeks of the night."""
    ledger = ledger_of(organization)
    if not _is_plain(ledger):
        return False
    for number, at in enumerate((_window(config) - DAY, _window(config) - 2 * DAY)):
        _push(ledger, at, "adjustment", 100, f"adjustment-{number}")
    return True


def half_a_unit_of_a_pack(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A pack whose units were computed without rounding."""
    packs = [entry for entry in ledger_of(organization) if "stripeSessionId" in entry and entry["kind"] == "topup"]
    for entry in packs[:1]:
        entry["amount"] = float(entry["amount"]) + 0.5  # type: ignore[arg-type]
    return bool(packs)


def half_a_unit_of_a_refund(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A refund likewise."""
    ledger = ledger_of(organization)
    if not _is_plain(ledger):
        return False
    _push(ledger, instant(ledger[-1]) + SECOND, "refund", -100.25, f"refund-re_1-{ledger[0]['_id']}")
    return True


def entry_id_as_text(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """An entry that a script wrote."""
    ledger = ledger_of(organization)
    for entry in ledger[:1]:
        entry["_id"] = str(entry["_id"])
    return bool(ledger)
