"""The proof of the money: what was planted in a world against what its night says is owed, to the unit, either way.

Each label carries the units that its fault moved, once and signed; each finding those that are its own. Both are added
up for each organization and each direction. Where a label says that the data cannot tell, or cannot decide, its units
may be told or not: nothing is claimed of them.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

import pandas as pd

from billing_dq.reconcile.findings.shared_money import owed_units
from billing_dq.reconcile.findings.standing import verdicts
from billing_dq.units import cents_of_units
from billing_dq_simulation.config import DOLLARS_TO_UNITS
from billing_dq_simulation.labels import BY_DESIGN, Label

#: Sums of units; parts of units differ by rounding only.
_ROUNDING = 1e-6
_OWED = ("unexplained", "too_small")


@dataclass
class FaultMoney:
    """What one fault planted, and what was told of the organizations that have it: units, each direction above 0.

    ``undecidable`` are units by which the two sides differ within what the data leaves open.
    """

    planted_to_us: float = 0.0
    planted_to_customers: float = 0.0
    told_to_us: float = 0.0
    told_to_customers: float = 0.0
    undecidable: float = 0.0

    @property
    def planted_cents(self) -> int:
        """What was planted, both directions together, in US cents."""
        return cents_of_units(self.planted_to_us + self.planted_to_customers, DOLLARS_TO_UNITS)

    @property
    def told_cents(self) -> int:
        """What was told, both directions together, in US cents."""
        return cents_of_units(self.told_to_us + self.told_to_customers, DOLLARS_TO_UNITS)


@dataclass
class Money:
    """The money of one or several worlds, by fault; and the organizations where the two sides differ."""

    faults: dict[str, FaultMoney] = field(default_factory=dict[str, FaultMoney])
    differences: list[str] = field(default_factory=list[str])
    organizations: int = 0

    @property
    def total(self) -> FaultMoney:
        """The money of all faults."""
        return FaultMoney(*(sum(amounts) for amounts in zip(*map(astuple, self.faults.values()), strict=True)))

    def add(self, world: str, labels: Sequence[Label], findings: pd.DataFrame) -> None:
        """Count a world in."""
        faults = [label for label in labels if not label.fault.startswith(BY_DESIGN)]
        of_organization = {label.organization_id: label.fault for label in faults}
        told = _told(findings)
        planted = _planted(faults)
        self.organizations += len(of_organization)
        for organization in sorted({*of_organization, *told}):
            fault = of_organization.get(organization, "no fault")
            money = self.faults.setdefault(fault, FaultMoney())
            ours, theirs = told.get(organization, (0.0, 0.0))
            to_us, to_customers, open_units = planted.get(organization, (0.0, 0.0, 0.0))
            differs = abs(to_us - ours) + abs(to_customers - theirs)
            if _ROUNDING < differs <= open_units + _ROUNDING:
                money.undecidable += differs
                continue
            money.planted_to_us += to_us
            money.planted_to_customers += to_customers
            money.told_to_us += ours
            money.told_to_customers += theirs
            if differs > _ROUNDING:
                self.differences.append(
                    f"{world}: {fault}: {organization}, planted {to_us:g} to us and {to_customers:g} to customers, "
                    f"told {ours:g} and {theirs:g}"
                )


def _planted(labels: Sequence[Label]) -> dict[str, tuple[float, float, float]]:
    """By organization: units owed to us, to customers, and those that may be told or not."""
    sums: dict[str, tuple[float, float, float]] = {}
    for label in labels:
        to_us, to_customers, open_units = sums.get(label.organization_id, (0.0, 0.0, 0.0))
        open_units += label.open_units
        if not label.tellable or label.undecided:
            open_units += abs(label.owed_units)
        else:
            to_us, to_customers = to_us + max(0.0, label.owed_units), to_customers + max(0.0, -label.owed_units)
        sums[label.organization_id] = (to_us, to_customers, open_units)
    return sums


def _told(findings: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """By organization: units that are owed to us and to customers, by the findings that own them."""
    units = owed_units(findings).where(verdicts(findings).isin(_OWED), 0.0)
    organization = findings["organization_id"].fillna("")
    to_us = units.clip(lower=0).groupby(organization).sum()
    to_customers = (-units).clip(lower=0).groupby(organization).sum()
    return {
        str(name): (float(ours), float(theirs))
        for name, ours, theirs in zip(to_us.index, to_us, to_customers, strict=True)
        if ours or theirs
    }
