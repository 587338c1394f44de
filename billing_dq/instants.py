"""Instants as people give them: on the command line and in a run's config."""

from datetime import UTC, datetime


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant, in UTC; one without a time zone is meant in UTC.

    Raises:
        ValueError: the text is no instant; the message is one line.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an instant such as 2026-11-21T03:10:00Z") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
