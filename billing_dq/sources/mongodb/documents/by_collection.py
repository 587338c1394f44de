"""The documents of each collection as its tables; what reads a night and what reads one organization both ask here."""

import pyarrow as pa

from billing_dq import tables
from billing_dq.sources.mongodb.bson.pieces import Piece
from billing_dq.sources.mongodb.documents.accounts import dead_lettered_events, organizations, subscriptions
from billing_dq.sources.mongodb.documents.ledgers import ledger_tables
from billing_dq.sources.mongodb.documents.usage import weekly_usage
from billing_dq.storage.followed import Followed
from billing_dq.weeks import NightWeeks


def tables_of_piece(collection: str, piece: Piece, night: NightWeeks, followed: Followed) -> dict[str, pa.Table]:
    """The tables that a piece of a collection comes to.

    Args:
        collection: its name in docs/domain.md, "Collections".
        piece: judged documents.
        night: the weeks whose entries are kept.
        followed: the older weeks that are read, too.

    Returns:
        The tables by name.
    """
    rows, chosen = piece.rows, piece.chosen
    match collection:
        case "organizations":
            return {tables.ORGANIZATIONS.name: organizations(rows, chosen)}
        case "subscriptions":
            return {tables.SUBSCRIPTIONS.name: subscriptions(rows, chosen)}
        case "billingusages":
            return {tables.WEEKLY_USAGE.name: weekly_usage(rows, chosen)}
        case "billingextrabalances":
            return ledger_tables(rows, chosen, night, followed)
        case _:
            return {tables.DEAD_LETTERED_EVENTS.name: dead_lettered_events(rows, chosen)}
