"""Faults of objects at Stripe, and of what the application notes on them."""

from billing_dq_simulation.clock import DAY, SECOND
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.tables.organization import Plant
from billing_dq_simulation.labels import Document, SimulatedOrganization


def at_stripe(resource: str, **fields: object) -> Plant:
    """The newest object of a resource with other values; None takes the field away."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        objects = organization.stripe[resource]
        if not objects:
            return False
        for name, value in fields.items():
            if value is None:
                del objects[-1][name]
            else:
                objects[-1][name] = value
        return True

    return plant


def paid_in_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The only paid invoice has a payment of that year."""
    paid = [one for one in organization.stripe["invoices"] if one["status"] == "paid"]
    if len(paid) != 1:
        return False
    paid[0]["status_transitions"]["paid_at"] = 86400  # type: ignore[index]
    return True


def _pack_charges(organization: SimulatedOrganization, config: WorldConfig) -> list[Document]:
    """The charges of packs of the last weeks, which a night reads."""
    since = config.as_of.timestamp() - 20 * DAY // SECOND
    return [
        one
        for one in organization.stripe["charges"]
        if isinstance(one["metadata"], dict) and "packId" in one["metadata"] and float(str(one["created"])) > since
    ]


def charge(**fields: object) -> Plant:
    """A recent charge of a pack with other values."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        charges = _pack_charges(organization, config)
        for one in charges[:1]:
            one.update(fields)
        return bool(charges)

    return plant


def pack_of_nobody(disputed: bool) -> Plant:
    """The application notes an organization on a charge that is no more."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        charges = [one for one in _pack_charges(organization, config) if bool(one["disputed"]) == disputed]
        for one in charges[:1]:
            one["metadata"]["organizationId"] = "f" * 24  # type: ignore[index]
        return bool(charges)

    return plant
