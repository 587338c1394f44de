"""What a fault works on: one organization's life, which can be replayed with changes, and the truth to be told."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from billing_dq_simulation.clock import DAY, HOUR, WEEK, to_millis, week_key, week_start
from billing_dq_simulation.company.documents import documents_of
from billing_dq_simulation.company.story import Changes, Step, Story
from billing_dq_simulation.company.timeline import OF_QUOTA
from billing_dq_simulation.config import QUOTAS, WorldConfig
from billing_dq_simulation.faults.judgement import Verdict, judge
from billing_dq_simulation.labels import BY_DESIGN, Document, Label, SimulatedOrganization

#: A night covers the open week and three before it, unless its settings say otherwise.
WEEKS_BACK = 3
#: Quotas; a balance below minus so many is a runaway, unless a night's settings say otherwise.
_RUNAWAY = 10
#: Units, and share of the larger side, up to which a week does not diverge, unless a night's settings say otherwise.
_ABSOLUTE, _RELATIVE = 50.0, 0.005
_EXPLAINED = "the application's design, as the data attests it, accounts for the week with the fault in it"
_WITHIN = "the week does not diverge, and the application's design fits it as well"

Documents = dict[str, list[Document]]


@dataclass
class Case:
    """An organization that a fault may befall. `story` is its life without the fault."""

    config: WorldConfig
    index: int
    story: Story
    random: Random
    fault: str

    def replay(self, changes: Changes) -> Story:
        """The same life with changes."""
        return Story(self.config, self.index, changes)

    def end(
        self, story: Story, labels: list[Label], edit: Callable[[Documents], None] | None = None
    ) -> SimulatedOrganization:
        """The organization as it is left behind; ``edit`` changes the documents as no application would."""
        documents = documents_of(story, Random(f"{self.config.seed}:{self.index}:numbers"))
        if edit is not None:
            edit(documents)
        labels = [*labels, *self._runaway(documents), *remedied(story), *left_by_recovery(story)]
        return SimulatedOrganization(documents, story.account.objects, labels)

    def _runaway(self, documents: Documents) -> Iterator[Label]:
        """What the fault took from the balance may make it a runaway as well (docs/domain.md, "Runaway balance")."""
        this_week = week_key(week_start(self.story.end))
        quotas = [usage.get("meterQuota") for usage in documents["billingusages"] if usage.get("weekKey") == this_week]
        quota = _number([*quotas, self.quota][0])
        for balance in documents["billingextrabalances"]:
            units = _number(balance.get("cachedBalance"))
            if quota > 0 and units < -_RUNAWAY * quota:
                yield self.label("runaway_balance", self.organization, -units).without_money()

    def label(
        self,
        kind: str,
        subject: str,
        units: float,
        cause: str | None = None,
        why_not: str | None = None,
    ) -> Label:
        """A finding of this organization that the fault causes; one that the data does not tell where ``why_not``."""
        tellable = why_not is None
        return Label(
            self.fault, self.organization, subject, units, tellable, kind, cause, why_not, amid=self._amid(subject)
        )

    def _amid(self, subject: str) -> str:
        """The natural trouble of the week that a finding is about, of all weeks where it is about none."""
        weeks = {week_key(start): kinds for start, kinds in self.story.troubled.items()}
        return " ".join(sorted(weeks.get(subject, set().union(*weeks.values()))))

    def divergence(self, story: Story, start: int, cause: str | None) -> Label:
        """The label of what the fault moved in a week: its units, and what the data left behind can tell of them."""
        label = self.label("meter_extras_divergence", week_key(start), self.moved(story, start), cause)
        return self.judged(label, story, start)

    def judged(self, label: Label, story: Story, start: int) -> Label:
        """The label of a divergence with what the data left behind can tell of it."""
        if not self.config.trouble:
            return label
        week = story.application.usage.get(start)
        if week is not None:
            # A settlement may have lifted the week above its quota, and nothing is debited for it; and what the week
            # differed by without the fault may have gone with it.
            label = replace(label, open_units=max(week.settled, abs(week_delta(self.story, start))))
        verdict = judge(story, start, tolerance_of(story, start))
        if verdict is Verdict.DEFECT:
            return label
        diverges = abs(week_delta(story, start)) > tolerance_of(story, start)
        if verdict is Verdict.UNDECIDED and diverges:
            return replace(label, undecided=True)
        return replace(label, tellable=False, why_not=_EXPLAINED if diverges else _WITHIN)

    def moved(self, story: Story, start: int) -> float:
        """By how much the fault changed a week's delta."""
        return week_delta(story, start) - week_delta(self.story, start)

    @property
    def organization(self) -> str:
        """The organization's id as text."""
        return str(self.story.organization_id)

    @property
    def quota(self) -> int:
        """The live quota."""
        return QUOTAS[self.story.application.plan]

    @property
    def night_weeks(self) -> list[int]:
        """The closed weeks of a night (their starts) that are told in full, newest last."""
        return self.story.closed_weeks()[-WEEKS_BACK:]

    @property
    def steady_plan(self) -> bool:
        """Whether the plan stayed in all weeks, so that the explainable band is a point but for settlements."""
        return all(at < self.story.begin for at in self.story.application.plan_changes)

    def weeks(self) -> list[int]:
        """The weeks in which a fault of the meter is planted: steady ones, or the very ones with natural trouble.

        Trouble of the quota comes first, for it is what a lost debit is confused with.
        """
        if not self.config.trouble:
            return self.steady_weeks()
        usage, troubled = self.story.application.usage, self.story.troubled
        weeks = [
            start for start in self.night_weeks if start in usage and start in troubled and self._lists_keys(start)
        ]
        return [start for start in weeks if troubled[start] & OF_QUOTA] or weeks

    def _lists_keys(self, start: int) -> bool:
        return start != self.story.old_week

    def steady_weeks(self) -> list[int]:
        """Closed weeks of the night in which nothing but usage happened and no debit crossed midnight."""
        if not self.steady_plan:
            return []
        application = self.story.application
        return [
            start
            for start in self.night_weeks
            if start in application.usage
            and not application.usage[start].disturbed
            and self._lists_keys(start)
            and week_delta(self.story, start) == 0
        ]

    def debited(self, start: int) -> list[str]:
        """The keys of a week that were debited, in commit order."""
        application = self.story.application
        return [key for key in application.usage[start].keys if key in application.debits]

    def instant(self, start: int) -> int:
        """An instant of a week, away from its edges and from the end of the world."""
        last = min(start + WEEK, self.story.end) - HOUR
        first = max(start + 3 * HOUR, self.story.born + HOUR)
        return first + int(self.random.random() * max(0, last - first))

    def exists_in(self, start: int) -> bool:
        """Whether the organization exists throughout a week."""
        return self.story.born + DAY < start

    def step(self, at: int, units: float) -> Step:
        """A further step."""
        key = f"{at // 1000 - 90:08x}{self.random.getrandbits(64):016x}:wizard"
        return Step(at, key, units, "wizard", 40)


def remedied(story: Story) -> list[Label]:
    """What a night may still say of a copy of a debit that was credited: the copy stays in the ledger for good."""
    key = story.remedies.copied
    if key is None:
        return []
    copy = [entry for entry in story.application.ledger if entry.get("refId") == key][-1]
    units, week = float(copy["amount"]), week_key(week_start(to_millis(copy["at"])))  # type: ignore[arg-type]
    organization, fault = str(story.organization_id), BY_DESIGN + "copy_credited"
    return [
        Label(fault, organization, str(copy["_id"]), units, True, "ledger_violation", "duplicate_ref"),
        Label(fault, organization, week, units, True, "meter_extras_divergence", "duplicate_debit"),
    ]


def left_by_recovery(story: Story) -> list[Label]:
    """What recovery from dunning leaves: another plan of the organization than its subscription's."""
    subscription, organization = story.application.subscription, story.application.organization
    if subscription is None or subscription["plan"] == organization["plan"]:
        return []
    owner = str(story.organization_id)
    subject = str(subscription.get("stripeSubscriptionId") or owner)
    return [Label(BY_DESIGN + "recovered", owner, subject, 0.0, True, "organization_plan")]


def tolerance_of(story: Story, start: int) -> float:
    """Units up to which a week does not diverge (docs/domain.md, "Runaway balance")."""
    debited = debits_of(story).get(start, 0.0)
    return max(_ABSOLUTE, _RELATIVE * max(debited, debited + week_delta(story, start)))


def _number(value: object) -> float:
    """NaN for what is none: a malformed value is a fault of its own."""
    return float(value) if isinstance(value, int | float) else math.nan


def debits_of(story: Story) -> dict[int, float]:
    """Units debited by the week of their `at`."""
    sums: dict[int, float] = {}
    for entry in story.application.ledger:
        if entry["kind"] == "debit":
            start = week_start(to_millis(entry["at"]))  # type: ignore[arg-type]
            sums[start] = sums.get(start, 0.0) + abs(entry["amount"])  # type: ignore[arg-type]
    return sums


def week_delta(story: Story, start: int) -> float:
    """The delta of a week by the plain rule (docs/domain.md, "Meter against extras"): expected less actual units."""
    week = story.application.usage.get(start)
    used = float(week.document["meterUsed"]) if week else 0.0  # type: ignore[arg-type]
    quota = float(week.document["meterQuota"]) if week else 0.0  # type: ignore[arg-type]
    return (max(0.0, used - quota) if quota else used) - debits_of(story).get(start, 0.0)
