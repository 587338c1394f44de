"""What customers paid for packs and what of it was refunded: charges of the last 30 days, refunds of half a year.

The charge of every refund and every dispute that was read is a row as well, however old: it comes expanded with them,
else it is read by its id, as is what has an open finding, so that a remedy is seen whatever the age of the payment.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pandas as pd
from pydantic import ValidationError

from billing_dq.errors import SourceError
from billing_dq.sources.stripe.client import JsonObject, ResourceMissing, StripeConnection
from billing_dq.sources.stripe.listing import read_objects
from billing_dq.sources.stripe.objects import Charge, CheckoutSession, Purchase, Quarantine, Refund
from billing_dq.sources.stripe.rows import Row, charge_row, purchase_of, refund_row, session_row

#: A pack that was paid and not delivered is noticed within days; the night's weeks reach no further.
CHARGES_OF: Final = timedelta(days=30)
#: How Stripe names the objects: of a card first, of other methods of payment then.
CHARGE_IDS: Final = ("ch_", "py_")
REFUND_IDS: Final = ("re_", "pyr_")
SESSION_IDS: Final = "cs_"
SESSIONS: Final = "checkout/sessions"
_INTENT: Final = ("payment_intent",)
#: Of what is left of the budget, charges that are read one by one take no more than this share.
SHARE: Final = 0.5
#: Likewise checkout sessions: where all charges name theirs there are few to read.
SESSIONS_SHARE: Final = 0.1


class PackCharges:
    """The charges of packs, wherever they come from: rows of `stripe_charges` by id."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        #: charges of refunds and disputes that came as an id alone
        self.unread_ids: set[str] = set()

    def add(self, raw: JsonObject, intent: object = None) -> None:
        """Add a charge that is one of a pack: it names its pack or its session, or its payment intent does.

        Raises:
            ValidationError: it cannot be read.
        """
        charge, reference = Charge.model_validate(raw), intent or raw.get("payment_intent")
        purchase = Purchase.model_validate(reference) if isinstance(reference, dict) else Purchase()
        row = charge_row(charge, purchase_of(charge, lambda: purchase))
        self.unread_ids.discard(charge.id)
        if row["pack_id"] is not None or row["stripe_session_id"] is not None:
            self.rows[charge.id] = row

    def add_of_session(self, raw: JsonObject) -> None:
        """Add what was paid in a checkout session: its charge, else the session itself where it tells of none.

        Raises:
            ValidationError: it cannot be read.
        """
        session, intent = CheckoutSession.model_validate(raw), raw.get("payment_intent")
        latest = intent.get("latest_charge") if isinstance(intent, dict) else None
        if not isinstance(latest, dict):
            self.rows[session.id] = session_row(session)
            return
        charge = Charge.model_validate(latest)
        row = charge_row(charge, purchase_of(charge, lambda: session))
        self.rows[charge.id] = {**row, "stripe_session_id": session.id}

    def sorted_rows(self) -> list[Row]:
        """The rows, by id."""
        return [row for _, row in sorted(self.rows.items())]

    def add_referenced(self, charge: object, intent: object = None) -> None:
        """Add the charge of a refund or dispute, expanded or an id; one that cannot be read is left out."""
        if isinstance(charge, str) and charge:
            self.unread_ids.add(charge)
        elif isinstance(charge, dict):
            try:
                self.add(charge, intent)
            except ValidationError:
                return


def read_charges(
    connection: StripeConnection,
    as_of: datetime,
    open_ids: Sequence[str],
    charges: PackCharges,
    quarantine: Quarantine,
) -> tuple[list[Row], datetime]:
    """What was paid for packs, and what should have been (docs/stripe.md, "The account of a purchase").

    Args:
        connection: where to read.
        as_of: the night's instant; what was paid after it is the next night's.
        open_ids: charges with an open finding, read whatever their age.
        charges: the charges of refunds and disputes; the others are added. Those that the budget does not reach stay
            in ``unread_ids``.
        quarantine: takes the charges that cannot be read.

    Returns:
        Rows of `stripe_charges`, and the instant from which on none is missing.

    Raises:
        SourceError: as in `read_objects`.
    """
    since = as_of - CHARGES_OF
    for raw in read_objects(connection, "charges", _seconds(since, as_of), _INTENT, open_ids, quarantine):
        with quarantine.instead_of_error("charges", raw):
            charges.add(raw)
    reserve = connection.seconds_left * (1 - SHARE)
    for charge_id in sorted(charges.unread_ids - set(charges.rows) - set(open_ids)):
        if connection.seconds_left <= reserve:
            break
        charges.unread_ids.discard(charge_id)
        try:
            raw = connection.retrieve("charges", charge_id, _INTENT)
        except ResourceMissing:
            continue  # no finding names it: that it is gone says nothing
        with quarantine.instead_of_error("charges", raw):
            charges.add(raw)
    charges.unread_ids -= {*charges.rows, *open_ids}
    return charges.sorted_rows(), since


def read_refunds(
    connection: StripeConnection,
    window: tuple[datetime, datetime],
    open_ids: Sequence[str],
    charges: PackCharges,
    quarantine: Quarantine,
) -> tuple[list[Row], datetime]:
    """The refunds of a window of time; otherwise as `read_charges`. Their charges are added to ``charges``."""
    rows: list[Row] = []
    expand = ("charge.payment_intent",)
    for raw in read_objects(connection, "refunds", _seconds(*window), expand, open_ids, quarantine):
        charges.add_referenced(raw.get("charge"))
        with quarantine.instead_of_error("refunds", raw):
            rows.append(refund_row(Refund.model_validate(raw)))
    return rows, window[0]


def sessions_of(purchases: pd.DataFrame, as_of: datetime) -> list[str]:
    """The checkout sessions of the top-ups that the list of charges should name (`pack_purchases`), newest first."""
    recent = purchases[(purchases["at"] >= as_of - CHARGES_OF) & (purchases["at"] <= as_of)]
    sessions = recent.sort_values("at", ascending=False)["stripe_session_id"].drop_duplicates()
    return sessions[sessions.str.startswith(SESSION_IDS)].tolist()


def read_sessions(
    connection: StripeConnection, session_ids: Sequence[str], charges: PackCharges, quarantine: Quarantine
) -> list[str]:
    """What was paid in checkout sessions that no charge names (docs/stripe.md, "The account of a purchase").

    Args:
        connection: where to read.
        session_ids: the sessions of top-ups, those to be read first in front.
        charges: has the charges that were read; what the sessions tell is added.
        quarantine: takes the sessions that cannot be read.

    Returns:
        The sessions that neither the budget nor the key reached; their top-ups stay undecided.
    """
    reserve = connection.seconds_left * (1 - SESSIONS_SHARE)
    names = {row["stripe_session_id"] for row in charges.rows.values()}
    unread = [session_id for session_id in reversed(session_ids) if session_id not in names]
    while unread and connection.seconds_left > reserve:
        session_id = unread.pop()
        try:
            raw = connection.retrieve(SESSIONS, session_id, ("payment_intent.latest_charge",))
        except ResourceMissing:
            continue  # of another account, maybe: it tells nothing
        except SourceError:
            return [*unread, session_id]
        with quarantine.instead_of_error(SESSIONS, raw):
            charges.add_of_session(raw)
    return unread


def _seconds(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
