"""Ranges of organizations: the parts of a night that are read and matched by themselves."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class OrganizationRange:
    """The organizations from ``first`` on and before ``until`` (hex ids); None: from the beginning, to the end."""

    first: str | None = None
    until: str | None = None

    def holds(self, organization: str) -> bool:
        """Whether an organization is in it."""
        return (self.first is None or self.first <= organization) and (self.until is None or organization < self.until)


EVERYTHING = OrganizationRange()


def ranges_between(boundaries: Iterable[str]) -> list[OrganizationRange]:
    """The ranges that boundaries cut: one more than there are different boundaries. Each organization is in one."""
    return [OrganizationRange(*ends) for ends in pairwise([None, *sorted(set(boundaries)), None])]
