"""The truth about a simulated world: what was broken on purpose, and what a night should say about it."""

from dataclasses import dataclass, field, replace

Document = dict[str, object]

#: Faults of this prefix are no faults: drift by design (docs/domain.md, "Against Stripe"), which a night reports at
#: `warning` or below.
BY_DESIGN = "by_design_"


@dataclass(frozen=True)
class Label:
    """One finding that a night should have, or could not have.

    Attributes:
        fault: kind of the fault, a name of `faults.catalogue.FAULTS`, or one that starts with `BY_DESIGN`.
        organization_id: 24 hex characters; empty where a finding names no organization.
        subject: as in docs/tables.md, "Subjects and ids".
        units: what is at stake, signed as the finding would be: positive is undercharged.
        owes: whether these units are money of their own: not so where another label of the fault has them, and where
            nothing moved that should not have.
        open_units: of its units, as many may be by design for all that the data tells.
        tellable: whether the data tells it at all.
        finding_kind: one of docs/tables.md. A `meter_extras_divergence` whose units are within the tolerance is
            no finding; it is still in the evidence of its organization's week.
        cause: the cause of docs/causes.md, the rule of a ledger violation, or None.
        why_not: why the data does not tell it, None where it does.
        undecided: the data fits this fault and the application's design alike, and attests neither: the best answer is
            a warning that tells both.
        amid: the kinds of natural trouble beside which the fault was planted, apart by spaces.
    """

    fault: str
    organization_id: str
    subject: str
    units: float
    tellable: bool
    finding_kind: str
    cause: str | None = None
    why_not: str | None = None
    undecided: bool = False
    amid: str = ""
    owes: bool = True
    open_units: float = 0.0

    @property
    def owed_units(self) -> float:
        """The units that the fault moved and that no other label has, signed."""
        return self.units if self.owes else 0.0

    def without_money(self) -> "Label":
        """The label where its units are no money of their own."""
        return replace(self, owes=False)


@dataclass
class SimulatedOrganization:
    """Everything one organization leaves behind: documents by collection, Stripe objects by resource, labels."""

    documents: dict[str, list[Document]]
    stripe: dict[str, list[Document]]
    labels: list[Label] = field(default_factory=list)
