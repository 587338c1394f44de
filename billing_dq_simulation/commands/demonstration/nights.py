"""The nights of `billing-dq demo --nights`: what befalls the company between them, and one line about each night.

The company stands still but for that. A fault is an organization's documents with the fault in place of those without,
both of the simulator, and a remedy the other way round.
"""

# Documents are plain mappings; pymongo's generic types say no more about them:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pymongo import MongoClient

from billing_dq.commands.findings import accept_finding
from billing_dq.reconcile.findings.standing import is_accepted, is_open
from billing_dq.report.verdicts import changes
from billing_dq.runner import StoredNight
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document, SimulatedOrganization
from billing_dq_simulation.world import simulate_one

#: An incident takes five organizations at least; one of few units is no finding of its own.
_STRUCK = 7
_LEAST_UNITS = 60.0
COLUMNS = ("night", "new", "persisting", "worse", "reopened", "resolved", "accepted", "incidents", "open")


@dataclass(frozen=True)
class Planted:
    """An organization without a fault, and the same with one in a week."""

    sound: SimulatedOrganization
    broken: SimulatedOrganization
    week: str

    @property
    def organization_id(self) -> str:
        """24 hex characters."""
        return self.broken.labels[0].organization_id


class Company:
    """The simulated company in a database, which changes from night to night."""

    def __init__(self, config: WorldConfig, uri: str, database: str) -> None:
        self._config = config
        self._uri = uri
        self._database = database
        self._quiet = self._without_a_fault()
        self._single = self._planted("dropped_debit", 3)
        self._struck = self._planted("incident", _STRUCK)

    def before_first(self) -> str:
        """Two organizations lose a debit each."""
        for one in self._single[:2]:
            self._put(one.sound, one.broken)
        return f"{len(self._single[:2])} debits are lost beside the planted faults"

    def before(self, number: int, last: StoredNight) -> str:
        """What happens before the night of a number, from 2 on, in words; nothing after the fifth."""
        happenings: Mapping[int, Callable[[StoredNight], str]] = {
            2: self._incident_and_a_charge,
            3: self._worse_and_again,
            4: self._incident_charged,
            5: self._one_more,
        }
        return happenings[number](last) if number in happenings else "nothing happens"

    def _incident_and_a_charge(self, last: StoredNight) -> str:
        healed = self._single[0]
        self._put(healed.broken, healed.sound)
        for one in self._struck:
            self._put(one.sound, one.broken)
        said = f"one lost debit is charged, {len(self._struck)} organizations lose debits within four minutes"
        return said + self._accept(last)

    def _worse_and_again(self, last: StoredNight) -> str:
        again, worse = self._single[:2]
        self._put(again.sound, again.broken)
        self._put(worse.broken, _with_another_loss(worse))
        return "the charge is undone, another debit of a week with a finding is lost"

    def _incident_charged(self, last: StoredNight) -> str:
        for one in self._struck:
            self._put(one.broken, one.sound)
        return "the incident's debits are charged"

    def _one_more(self, last: StoredNight) -> str:
        for one in self._single[2:]:
            self._put(one.sound, one.broken)
        return "one more debit is lost"

    def _accept(self, last: StoredNight) -> str:
        """A person accepts a finding that can be understood and not undone: an entry of nothing, else the smallest."""
        mine = {one.organization_id for one in (*self._single, *self._struck)}
        found = last.open_findings
        ours = found[(found["severity"] != "info") & ~found["organization_id"].isin(mine)]
        if ours.empty:
            return ""
        first = ours.assign(size=ours["usd_cents"].abs()).sort_values(["size", "finding_id"]).iloc[0]
        accept_finding(str(first["finding_id"]), "it is understood, and nothing is owed", "demo")
        return ", a person accepts a finding"

    def _without_a_fault(self) -> Iterator[int]:
        for index in range(self._config.organizations):
            if not simulate_one(self._config, index).labels:
                yield index

    def _planted(self, fault: str, how_many: int) -> list[Planted]:
        """So many organizations that can have a fault of a closed week, which a night cannot miss."""
        with_it = replace(self._config, faults={fault: 1.0})
        found: list[Planted] = []
        for index in self._quiet:
            broken = simulate_one(with_it, index)
            label = broken.labels[0] if len(broken.labels) == 1 else None
            if label is not None and label.fault == fault and label.tellable and label.units > _LEAST_UNITS:
                found.append(Planted(simulate_one(self._config, index), broken, label.subject))
            if len(found) == how_many:
                break
        return found

    def _put(self, before: SimulatedOrganization, after: SimulatedOrganization) -> None:
        """Put an organization's documents in the place of those that are there."""
        with MongoClient[Document](self._uri) as client:
            for name, documents in after.documents.items():
                collection = client[self._database][name]
                collection.delete_many({"_id": {"$in": [one["_id"] for one in before.documents[name]]}})
                if documents:
                    collection.insert_many(documents)


def _with_another_loss(planted: Planted) -> SimulatedOrganization:
    """The organization with one more debit of the week lost: a crash between the two writes, once more."""
    balance = planted.broken.documents["billingextrabalances"][0]
    usage = next(one for one in planted.broken.documents["billingusages"] if one.get("weekKey") == planted.week)
    ledger, keys = balance["ledger"], usage["consumedAttributionKeys"]
    assert isinstance(ledger, list)
    assert isinstance(keys, list)
    lost = next(one for one in reversed(ledger) if one["kind"] == "debit" and one.get("refId") in keys)
    worse = balance | {
        "ledger": [one for one in ledger if one is not lost],
        "cachedBalance": balance["cachedBalance"] - lost["amount"],  # type: ignore[operator]
    }
    documents = planted.broken.documents | {"billingextrabalances": [worse]}
    return replace(planted.broken, documents=documents)


def line_of(night: StoredNight, last: StoredNight | None) -> tuple[str | int, ...]:
    """The line of a night, by `COLUMNS`; ``last`` is the night before."""
    seen = night.findings
    change = changes(seen, None if last is None else last.findings, night.night)
    accepted = is_accepted(seen) & is_open(seen)
    counts = [int((change == name).sum()) for name in ("new", "unchanged", "worse", "reopened", "resolved")]
    still_open = int(is_open(seen).sum())
    return (night.night, *counts, int(accepted.sum()), len(night.incidents), still_open)
