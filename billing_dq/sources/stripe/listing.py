"""The objects of one resource that a night reads: those of a window, and those that an earlier night left open."""

from collections.abc import Iterator, Sequence

from billing_dq.sources.stripe.client import JsonObject, ResourceMissing, StripeConnection
from billing_dq.sources.stripe.objects import Quarantine


def read_objects(
    connection: StripeConnection,
    resource: str,
    created: dict[str, int],
    expand: tuple[str, ...],
    open_ids: Sequence[str],
    quarantine: Quarantine,
) -> Iterator[JsonObject]:
    """The objects of a list, and those with an open finding that are not among them.

    Args:
        connection: where to read.
        resource: as in Stripe's addresses.
        created: bounds of the list, ``gte`` and ``lte``, in seconds.
        expand: fields whose object is to come along instead of its id.
        open_ids: ids that an earlier night left open.
        quarantine: takes those of them that Stripe does not know.

    Raises:
        SourceError: the list may not be read, or fails; `TransientSourceError` where trying again may help.
    """
    listed_ids: set[object] = set()
    for page in connection.pages(resource, {"created": created, "expand": [f"data.{field}" for field in expand]}):
        listed_ids.update(raw.get("id") for raw in page)
        yield from page
    for object_id in sorted(set(open_ids) - listed_ids):
        try:
            yield connection.retrieve(resource, object_id, expand)
        except ResourceMissing:
            reason = "was open last night and Stripe does not know it (resource_missing)"
            quarantine.add(resource, object_id, "id", reason)
