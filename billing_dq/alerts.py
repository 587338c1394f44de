"""What a person should hear about: one JSON line each in `<home>/alerts.jsonl`, for any tool that watches a file."""

import json
from datetime import datetime

from upath import UPath


def alert(home: str, at: datetime, about: str, subject: str, detail: str) -> None:
    """Append an alert.

    Args:
        home: the output location.
        at: when it was noticed.
        about: what kind of alert, in a word.
        subject: what it is about: a run, a check.
        detail: one sentence.
    """
    path = UPath(home) / "alerts.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"at": at.isoformat(), "about": about, "subject": subject, "detail": detail})
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
