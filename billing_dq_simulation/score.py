"""How often billing_dq is right: simulated worlds with labelled faults against what a night finds in them.

A label is found where a finding has its kind, organization and subject. A week graded `explained` finds nothing, and
one graded `undecided` finds a label only where that says that the data cannot tell more. A finding is expected where it
has a label, and false where it has none and is not by design (an explained week, drift that docs/domain.md calls by
design, an `info` about a ledger: made good by a later entry, or left by an old version of the application);
an `undecided` warning without a label is neither: it is counted apart. Stripe is read
over the loopback by the real source; the documents are decoded plainly, so malformed documents, which need the real
reader, are not scored here but in the tests of the MongoDB source.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.meter.causes import ALWAYS_BY_DESIGN, Cause
from billing_dq.reconcile.night import NightResult, reconcile_night
from billing_dq.settings import Settings
from billing_dq.sources.progress import Progress, SilentProgress
from billing_dq.sources.stripe.api import read_stripe
from billing_dq.sources.stripe.payments import sessions_of
from billing_dq.weeks import NightWeeks
from billing_dq_simulation import local_stripe
from billing_dq_simulation.config import WorldConfig, world_settings
from billing_dq_simulation.faults.catalogue import EVENTS
from billing_dq_simulation.faults.malformed import MALFORMED
from billing_dq_simulation.labels import BY_DESIGN, Document, Label
from billing_dq_simulation.money import Money
from billing_dq_simulation.plain import plain_frames
from billing_dq_simulation.world import account_objects, simulate

#: Kind, organization (empty: none) and subject of a finding.
Key = tuple[str, str, str]
#: Causes that the application's design accounts for (docs/causes.md, "The causes").
DESIGN = ALWAYS_BY_DESIGN | {Cause.USAGE_RESET}

_NOT_SCORED = {*MALFORMED, "large_document"}
#: What is scored unless faults are chosen: all but malformed documents, and documents of many megabytes.
SCORED = tuple(name for name in EVENTS if name not in _NOT_SCORED)
_DIVERGENCE, _VIOLATION = "meter_extras_divergence", "ledger_violation"
#: The one finding about entries that a wrong clock dated.
_CLOCK: Key = (_VIOLATION, "", "clock")


@dataclass
class FaultScore:
    """The tally of one fault kind: labels that the data tell, those found, those with the right cause.

    ``undecided`` are those of them of which the data tell no more than that something may have been lost.
    """

    labels: int = 0
    found: int = 0
    with_cause: int = 0
    right_cause: int = 0
    untellable: int = 0
    undecided: int = 0
    confusion: Counter[str] = field(default_factory=Counter[str])


@dataclass
class Score:
    """What one or several worlds came to.

    Attributes:
        undecided_on_faults, undecided_elsewhere: weeks graded `undecided`, with a label of theirs and without.
        money: units planted and told.
        explained: labels that the data tell, in weeks graded `explained`; they are among the missed.
    """

    faults: dict[str, FaultScore] = field(default_factory=dict[str, FaultScore])
    money: Money = field(default_factory=Money)
    findings: int = 0
    expected_findings: int = 0
    by_design: int = 0
    undecided_on_faults: int = 0
    undecided_elsewhere: int = 0
    false: list[str] = field(default_factory=list[str])
    missed: list[str] = field(default_factory=list[str])
    explained: list[str] = field(default_factory=list[str])
    wrong_causes: list[str] = field(default_factory=list[str])

    @property
    def recall(self) -> float:
        """Labels found, of those that the data tell; 1 where there are none."""
        labels = sum(fault.labels for fault in self.faults.values())
        return sum(fault.found for fault in self.faults.values()) / labels if labels else 1.0

    @property
    def precision(self) -> float:
        """Findings that a label expects, of those that are not by design; 1 where there are none."""
        return self.expected_findings / self.findings if self.findings else 1.0

    @property
    def cause_accuracy(self) -> float:
        """Found labels whose cause is the label's, of those whose label names one; 1 where there are none."""
        causes = sum(fault.with_cause for fault in self.faults.values())
        return sum(fault.right_cause for fault in self.faults.values()) / causes if causes else 1.0

    def add(self, world: str, labels: Sequence[Label], night: NightResult) -> None:
        """Count a world in."""
        self.money.add(world, labels, night.findings)
        found = _Found(night)
        faults = [label for label in labels if not label.fault.startswith(BY_DESIGN)]
        labelled = Counter(_key(label) for label in faults)
        for label in faults:
            alone = labelled[_key(label)] == 1 and not label.amid
            self._count_label(world, label, found.causes_of(label, alone), found)
        self._count_findings(world, found, set(labelled), {_key(label) for label in labels} - set(labelled))

    def _count_findings(self, world: str, found: "_Found", expected: set[Key], by_design: set[Key]) -> None:
        for key, causes in found.causes.items():
            if found.grade(key) == "undecided":
                self.undecided_on_faults += key in expected
                self.undecided_elsewhere += key not in expected
                continue
            if key not in expected and (key in by_design or found.is_explained(key)):
                self.by_design += 1
                continue
            self.findings += 1
            if key in expected:
                self.expected_findings += 1
            else:
                self.false.append(f"{world}: {' '.join(key)}, {', '.join(sorted(causes))}")

    def _count_label(self, world: str, label: Label, causes: set[str] | None, found: "_Found") -> None:
        tally = self.faults.setdefault(label.fault, FaultScore())
        if not label.tellable:
            tally.untellable += 1
            return
        tally.labels += 1
        tally.undecided += label.undecided
        grade = found.grade(_key(label))
        where = f"{world}: {label.fault}: {' '.join(_key(label))}, {label.units:g} units"
        where += f", amid {label.amid}" if label.amid else ""
        if grade == "explained":
            self.explained.append(where)
        if causes is None or grade == "explained" or (grade == "undecided" and not label.undecided):
            self.missed.append(f"{where}, {grade}" if grade else where)
            return
        tally.found += 1
        if label.cause is None or grade == "undecided":
            return
        tally.with_cause += 1
        tally.confusion.update(causes)
        if label.cause in causes:
            tally.right_cause += 1
        else:
            self.wrong_causes.append(f"{where}: {label.cause}, found {', '.join(sorted(causes))}")


class _Found:
    """What a night found, by kind, organization and subject.

    Attributes:
        causes: the causes of each finding.
    """

    def __init__(self, night: NightResult) -> None:
        self.causes: dict[Key, set[str]] = {}
        self._severities: dict[Key, str] = {}
        columns = ["kind", "organization_id", "subject", "cause", "severity"]
        for kind, organization, subject, cause, severity in night.findings[columns].itertuples(index=False, name=None):
            key = (str(kind), organization if isinstance(organization, str) else "", str(subject))
            self.causes.setdefault(key, set()).add(str(cause))
            self._severities[key] = str(severity)
        if _CLOCK in self.causes:
            self._unfold_clock(night.violations)
        self._in_evidence = _in_evidence(night.meter.evidence)
        graded = night.meter.deltas[["organization_id", "week_key", "grade"]].itertuples(index=False, name=None)
        self._grades = {(_DIVERGENCE, str(organization), str(week)): str(grade) for organization, week, grade in graded}

    def _unfold_clock(self, violations: pd.DataFrame) -> None:
        """Count each entry of the one finding about a wrong clock: labels name entries."""
        causes, severity = self.causes.pop(_CLOCK), self._severities.pop(_CLOCK)
        ahead = violations.loc[violations["rule"] == "future_entry", ["organization_id", "entry_id"]]
        for organization, entry in ahead.itertuples(index=False, name=None):
            key = (_VIOLATION, str(organization), str(entry))
            self.causes.setdefault(key, set()).update(causes)
            self._severities.setdefault(key, severity)

    def causes_of(self, label: Label, alone: bool) -> set[str] | None:
        """The causes that were found for a label, None where nothing was.

        Where two things are in one week, a finding names the larger and the evidence both.
        """
        causes = self.causes.get(_key(label))
        if causes is None or alone:
            return causes
        return causes | self._in_evidence.get((label.organization_id, label.subject), set())

    def grade(self, key: Key) -> str | None:
        """The grade of the week that a finding is about, None where it is about none."""
        return self._grades.get(key)

    def is_explained(self, key: Key) -> bool:
        """Whether a finding is about what the application's design explains, or what a later entry made good."""
        if self._severities[key] != "info":
            return False
        return key[0] == _VIOLATION or (key[0] == _DIVERGENCE and self.causes[key] <= DESIGN)


def score(configs: Iterable[WorldConfig], progress: Progress | None = None) -> Score:
    """Score worlds one after the other; each is held whole."""
    total = Score()
    configs = list(configs)
    with (progress or SilentProgress()).stage("worlds", len(configs)) as advance:
        for config in configs:
            labels, night = night_of_world(config)
            total.add(f"seed {config.seed}", labels, night)
            advance(1)
    return total


def night_of_world(config: WorldConfig) -> tuple[list[Label], NightResult]:
    """The labels of a world, and what its night says."""
    documents: dict[str, list[Document]] = {}
    objects = account_objects()
    labels: list[Label] = []
    for organization in simulate(config):
        labels += organization.labels
        _extend(documents, organization.documents)
        _extend(objects, organization.stripe)
    with local_stripe.serve(objects) as server:
        known = {"stripe_api_key": "rk_live_simulated", "stripe_base_url": server.url}
        settings = Settings.model_validate({**world_settings(config), **known})
        weeks = NightWeeks(config.as_of, settings.weeks_back, settings.settling_hours)
        ours = ApplicationTables(weeks, plain_frames(documents, weeks, config.as_of))
        sessions = sessions_of(ours.pack_purchases, config.as_of)
        reading = read_stripe(settings, config.as_of, sessions, SilentProgress())
    not_read = frozenset(reading.invoices_not_read)
    theirs = StripeTables(reading.frames, reading.livemode, not_read, reading.events_since, reading.since)
    return labels, reconcile_night(ours, theirs, policy_of(settings))


def _extend(whole: dict[str, list[Document]], part: dict[str, list[Document]]) -> None:
    for name, documents in part.items():
        whole.setdefault(name, []).extend(documents)


def _key(label: Label) -> Key:
    return (label.finding_kind, label.organization_id, label.subject)


def _in_evidence(evidence: pd.DataFrame) -> dict[tuple[str, str], set[str]]:
    causes: dict[tuple[str, str], set[str]] = {}
    for organization, week, cause in evidence[["organization_id", "week_key", "cause"]].drop_duplicates().to_numpy():
        causes.setdefault((str(organization), str(week)), set()).add(str(cause))
    return causes
