"""Creates the two roles of billing_dq in MongoDB: one that reads five collections, one that updates one of them.

Names of database and collections come from billing_dq's own settings. Run it once, as a user who may create roles, and
again after the names change; then grant each role to a user of its own:

    MONGODB_ADMIN_URI='mongodb://admin:...@host/' python deploy/mongodb_roles.py
"""

import os
import sys
from typing import Any

import click
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from billing_dq.settings import Settings, load_settings

READER, WRITER = "billing_dq_reader", "billing_dq_writer"
_ALREADY_EXISTS = 51002


def roles(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The privileges of each role.

    The reader finds documents, and lists collections and (for `billing-dq doctor`) indexes, no more. The writer finds
    and updates balance documents: it can neither insert nor remove one, and sees no other collection. MongoDB cannot
    say which fields an update may change; SECURITY.md tells what holds there instead.
    """
    database = settings.mongodb_database
    names: dict[str, str] = settings.collections.model_dump()
    return {
        READER: [
            _privilege(database, "", "listCollections"),
            *(_privilege(database, name, "find", "listIndexes") for name in names.values()),
        ],
        WRITER: [_privilege(database, settings.collections.billingextrabalances, "find", "update")],
    }


def create(database: Database[dict[str, Any]], settings: Settings) -> None:
    """Create the roles in the application's database, or set their privileges anew where they exist.

    Raises:
        OperationFailure: the user may not create roles.
    """
    for name, privileges in roles(settings).items():
        try:
            database.command("createRole", name, privileges=privileges, roles=[])
        except OperationFailure as error:
            if error.code != _ALREADY_EXISTS:
                raise
            database.command("updateRole", name, privileges=privileges, roles=[])


def _privilege(database: str, collection: str, *actions: str) -> dict[str, Any]:
    return {"resource": {"db": database, "collection": collection}, "actions": list(actions)}


@click.command()
def main() -> None:
    """Create the roles `billing_dq_reader` and `billing_dq_writer`."""
    address = os.environ.get("MONGODB_ADMIN_URI")
    if not address:
        sys.exit("set MONGODB_ADMIN_URI to a user who may create roles")
    settings = load_settings()
    try:
        with MongoClient[dict[str, Any]](address) as client:
            create(client[settings.mongodb_database], settings)
    except PyMongoError as error:  # its message may quote the address
        sys.exit(f"the roles were not created: {type(error).__name__}")
    click.echo(f"{READER} and {WRITER} are in {settings.mongodb_database}; now, with a password each:")
    for name in (READER, WRITER):
        click.echo(f'  db.createUser({{user: "{name}", pwd: passwordPrompt(), roles: ["{name}"]}})')


if __name__ == "__main__":
    main()
