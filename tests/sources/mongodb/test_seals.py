"""Random edits of ledgers: each is seen at its organization, and what the application itself does never is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import bson
import pandas as pd
import pyarrow as pa
from bson import Int64, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.ledger.past import history_violations, seals_to_continue
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.bson.pieces import Sorting
from billing_dq.sources.mongodb.documents.by_collection import tables_of_piece
from billing_dq.sources.mongodb.quarantine import Quarantine
from billing_dq.storage.arrow import to_pandas
from billing_dq.storage.followed import Followed
from billing_dq.tables import LEDGER_SEALS
from billing_dq.weeks import NightWeeks
from tests.support.examples import examples

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
NIGHT = NightWeeks(AS_OF, 3, 6)
BALANCES = contracts(Settings().collections.model_dump(), ("free",), AS_OF)["billingextrabalances"]
Entry = dict[str, object]
Ledgers = dict[ObjectId, list[Entry]]


def sealed(ledgers: Ledgers, earlier: pd.DataFrame | None = None) -> pd.DataFrame:
    """LEDGER_SEALS of the documents with these ledgers."""
    raw = [
        {"_id": ObjectId(), "organization": organization, "cachedBalance": 0, "ledger": ledger}
        for organization, ledger in sorted(ledgers.items())
    ]
    sorting = Sorting(BALANCES, NIGHT, Quarantine())
    pieces = [*sorting.add(b"".join(map(bson.encode, raw))), *sorting.end()]
    followed = Followed() if earlier is None else Followed(seals=earlier)
    name = BALANCES.domain_name
    made = [tables_of_piece(name, piece, NIGHT, followed)[LEDGER_SEALS.name] for piece in pieces if len(piece.chosen)]
    return to_pandas(LEDGER_SEALS, pa.concat_tables(made))


def entry(random: Random) -> Entry:
    made: Entry = {
        "_id": ObjectId(random.randbytes(12)),
        "kind": random.choice(["topup", "debit", "refund"]),
        "amount": random.choice([random.randint(-900, 900), float(random.randint(-900, 900))]),
        "at": AS_OF - timedelta(seconds=random.randint(0, 10**6)),
        "refId": f"ref-{random.randint(0, 50)}",
    }
    for field, value in (("stripeSessionId", "cs_1"), ("expiresAt", AS_OF), ("memo", "lost")):
        if random.random() < 0.3:
            made[field] = random.choice([value, None]) if field != "memo" else value
    return made


def edited(ledger: Sequence[Entry], random: Random) -> list[Entry]:
    """The ledger after one edit of its past that changes what it says."""
    place, after = random.randrange(len(ledger)), list(ledger)
    changed = dict(ledger[place])
    match random.randrange(7):
        case 0:
            del after[place]
            return after
        case 1:
            return [*ledger[:place], entry(random), *ledger[place:]]
        case 2:
            changed["amount"] = float(str(changed["amount"])) + random.choice([-1, 1, 40_000])
        case 3:
            changed["refId"] = None if random.random() < 0.5 else f"{changed['refId']}x"
        case 4:
            changed["at"] = AS_OF - timedelta(days=30)
        case 5:
            changed["expiresAt"] = AS_OF + timedelta(days=random.randint(1, 9))
        case _:
            changed["stripeSessionId"] = "cs_other"
    after[place] = changed
    return after


def rewritten(one: Entry) -> Entry:
    """The same entry as another tool may store it: an integer as a double or 64 bits, and a further field."""
    amount = one["amount"]
    return {**one, "note": 1, "amount": float(amount) if isinstance(amount, int) else Int64(int(str(amount)[:-2]))}


@examples(30)
@given(st.integers(0, 2**32))
def test_each_edit_of_the_past_is_seen_at_its_organization_and_no_other(seed: int) -> None:
    random = Random(seed)
    before = {ObjectId(random.randbytes(12)): [entry(random) for _ in range(random.randint(1, 9))] for _ in range(20)}
    seals = sealed(before)
    changed = set(random.sample(sorted(before), random.randint(0, 4)))
    after = {
        organization: [
            *(edited(ledger, random) if organization in changed else map(rewritten, ledger)),
            *(entry(random) for _ in range(random.randint(0, 3))),
        ]
        for organization, ledger in before.items()
    }
    violations = history_violations(sealed(after, seals_to_continue(seals, set())))
    assert set(violations["organization_id"]) == {str(organization) for organization in changed}


def test_a_seal_is_of_the_whole_ledger_and_the_first_one_has_nothing_to_continue() -> None:
    ledger = [entry(Random(number)) for number in range(4)]
    (row,) = sealed({ObjectId(b"o" * 12): ledger}).to_dict("records")
    assert (row["entry_count"], row["earlier_count"], row["reading"]) == (4, 0, "read")
    assert row["ledger_sum"] == sum(float(str(one["amount"])) for one in ledger)
    assert len(row["digest"]) == 64
