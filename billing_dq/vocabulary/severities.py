"""How severe a finding can be."""

from typing import Literal, get_args

Severity = Literal["info", "warning", "error", "critical"]

#: All of them, mildest first.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
