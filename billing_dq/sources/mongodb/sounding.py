"""Which documents of a collection are read, quarantined or out of scope; the three add up to all there are."""

from collections.abc import Callable
from dataclasses import dataclass, field

from billing_dq.errors import SourceError
from billing_dq.sources.mongodb.bson_tables import Undecodable
from billing_dq.sources.mongodb.contract import CollectionContract
from billing_dq.sources.mongodb.quarantine import Quarantine
from billing_dq.sources.mongodb.reader import Query, Reader
from billing_dq.sources.mongodb.soundness import faults, unsound, week_key_schema
from billing_dq.weeks import NightWeeks

#: What makes two documents one: the fields of the key, and the field that a quarantined duplicate is reported under.
_KEYS: dict[str, tuple[tuple[str, ...], str]] = {
    "subscriptions": (("organization",), "organization"),
    "billingusages": (("organizationId", "weekKey"), "weekKey"),
    "billingextrabalances": (("organization",), "organization"),
    "processedstripeevents": (("eventId",), "eventId"),
}


@dataclass(frozen=True)
class Counts:
    """Documents of a collection: all there are, read, quarantined, and out of the night's scope."""

    counted: int
    read: int
    quarantined: int
    out_of_scope: int


@dataclass
class Sounding:
    """Decides for each collection which documents are read, and keeps the account."""

    reader: Reader
    night: NightWeeks
    contracts: dict[str, CollectionContract]
    quarantine: Quarantine = field(default_factory=Quarantine)
    counts: dict[str, Counts] = field(default_factory=dict[str, Counts])

    def read(self, collection: str, write: Callable[[Query], int]) -> None:
        """Quarantine what is unsound, let ``write`` read the others, and account for every document.

        ``write`` takes the query for the documents to read and gives back how many it read.

        Raises:
            SourceError: the documents do not add up.
        """
        contract = self.contracts[collection]
        before = self.reader.count(contract, {})
        for document in self._suspected(contract):
            self._examine(contract, document)
        self._set_duplicates_aside(contract)
        try:
            read = write(self._to_read(contract))
        except Undecodable as error:
            self._examine_all(contract, error)
            read = write(self._to_read(contract))
        self._account(contract, before, read)

    def _scope(self, contract: CollectionContract) -> Query:
        """The documents that the night is about; a week key outside its weeks, or none (monthly), is out of scope."""
        if contract.domain_name != "billingusages":
            return {}
        return {"weekKey": {"$in": list(self.night.matching_keys)}}

    def _to_read(self, contract: CollectionContract) -> Query:
        return {"$and": [self._scope(contract), self.quarantine.others(contract)]}

    def _suspected(self, contract: CollectionContract) -> list[dict[str, object]]:
        query: Query = unsound(contract)
        if contract.domain_name == "billingusages":
            no_week: Query = {"$nor": [{"$jsonSchema": week_key_schema()}]}
            query = {"$or": [{"$and": [self._scope(contract), query]}, no_week]}
        fields = [one.name for one in contract.fields]
        with self.reader.timed("server"):
            return list(self.reader.documents(contract, query, fields))

    def _examine(self, contract: CollectionContract, document: dict[str, object]) -> bool:
        found = faults(contract, document)
        if found:
            self.quarantine.add(contract, document, found)
        return bool(found)

    def _examine_all(self, contract: CollectionContract, error: Undecodable) -> None:
        """The server let something pass that cannot be decoded: look at every document here, slowly but surely."""
        fields = [one.name for one in contract.fields]
        found = 0
        for document in self.reader.documents(contract, self._to_read(contract), fields):
            found += self._examine(contract, document)
        if not found:
            raise SourceError(f"{contract.name} cannot be decoded ({error}), though each document looks sound")

    def _set_duplicates_aside(self, contract: CollectionContract) -> None:
        """Of several documents for one key only the newest, by `updatedAt`, then `_id`, is read."""
        if contract.domain_name not in _KEYS:
            return
        key, reported = _KEYS[contract.domain_name]
        if list(key) in self.reader.unique_keys(contract):
            return
        grouped = self.reader.rows(
            contract,
            [
                {"$match": self._to_read(contract)},
                {"$group": {"_id": {name: f"${name}" for name in key}, "documents": {"$sum": 1}}},
                {"$match": {"documents": {"$gt": 1}}},
            ],
        )
        for group in grouped:
            one_key: Query = {"$and": [group["_id"], self.quarantine.others(contract)]}
            newest_first: list[Query] = [
                {"$match": one_key},
                {"$sort": {"updatedAt": -1, "_id": -1}},
                {"$project": {"_id": 1}},
            ]
            for document in self.reader.rows(contract, newest_first)[1:]:
                self.quarantine.add_duplicate(contract, document, reported)

    def _account(self, contract: CollectionContract, before: int, read: int) -> None:
        quarantined = self.quarantine.count(contract)
        out_of_scope = self._out_of_scope(contract)
        counted = read + quarantined + out_of_scope
        after = before if self.reader.one_snapshot else self.reader.count(contract, {})
        # without a snapshot the application goes on writing while we read
        if not min(before, after) <= counted <= max(before, after):
            raise SourceError(
                f"{contract.name}: {before} documents counted, but {read} read, {quarantined} quarantined and "
                f"{out_of_scope} out of scope; the night is not to be trusted"
            )
        self.counts[contract.domain_name] = Counts(counted, read, quarantined, out_of_scope)

    def _out_of_scope(self, contract: CollectionContract) -> int:
        if contract.domain_name != "billingusages":
            return 0
        outside = {"weekKey": {"$nin": list(self.night.matching_keys)}}
        return self.reader.count(contract, {"$and": [outside, {"$jsonSchema": week_key_schema()}]})
