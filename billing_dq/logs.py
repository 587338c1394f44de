"""What is done, as lines on standard error: for `billing-dq --verbose`. Without it nothing is logged.

A line has fields of our own (names, counts, seconds) and no text from data. Should a secret of the environment stand in
one all the same, it is replaced.
"""

import os
import re
import sys
from collections.abc import MutableMapping
from typing import Literal

import structlog

#: Variables whose values are in no line, whole or in part.
_SECRETS = re.compile(r"BILLING_DQ_\w*(URI|URL|KEY|SECRET)|OTEL_EXPORTER_OTLP_\w*|AWS_\w*(KEY|TOKEN)|PGPASSWORD")

Form = Literal["text", "json"]


def log(event: str, **fields: str | int | float | bool | None) -> None:
    """Log that something was done; nothing where nobody asked for it."""
    if structlog.is_configured():
        structlog.get_logger("billing_dq").info(event, **fields)


def configure(form: Form) -> None:
    """Log on standard error from now on, as text or as JSON, a line an event."""
    as_lines = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_secrets,
            as_lines,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def without_secrets(_logger: object, _method: str, fields: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """The fields of a line without the values of variables that hold secrets."""
    secrets = [value for name, value in os.environ.items() if _SECRETS.fullmatch(name) and len(value) > 3]
    for name, field in fields.items():
        for secret in secrets:
            field = field.replace(secret, "***") if isinstance(field, str) else field
        fields[name] = field
    return fields
