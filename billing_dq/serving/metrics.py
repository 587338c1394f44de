"""The newest night as metrics: as text for Prometheus, and pushed over OTLP where its variables name a collector.

Labels are words of the vocabulary, never an id, so that the number of series does not grow with the company.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from billing_dq.reconcile.findings.standing import is_accepted, is_open, verdicts
from billing_dq.report.night import read_findings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import NIGHTLY_REPORT
from billing_dq.vocabulary.kinds import KINDS
from billing_dq.vocabulary.severities import SEVERITIES

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

#: The variables by which OpenTelemetry names a collector; its exporter reads them, and its other ones, by itself.
COLLECTOR = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
#: The end of a metric's name in Prometheus, by its unit in OpenTelemetry; a number of things has none.
_SUFFIXES = {"s": "_seconds", "USD": "_dollars"}


@dataclass(frozen=True)
class Gauge:
    """A metric of the newest night, named as OpenTelemetry does.

    Attributes:
        name: such as billing_dq.findings.open.
        unit: of UCUM; what is counted, in braces.
        doc: one sentence.
        labels: names of the labels.
        values: by the labels' values.
    """

    name: str
    unit: str
    doc: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]


def gauges(findings: pd.DataFrame, facts: SnapshotFactsRecord, stripe: StripeReadingRecord) -> Iterator[Gauge]:
    """A night as metrics; every series is there on every night.

    Args:
        findings: `FINDINGS` of the night.
        facts: how its snapshot was taken.
        stripe: whether Stripe was read.
    """
    still_open, accepted_ones = is_open(findings), is_accepted(findings)
    to_act_on = findings[still_open & ~accepted_ones]
    counted = to_act_on.groupby(["kind", "severity"]).size()
    states = findings["state"].value_counts()
    cents = findings.loc[still_open & (verdicts(findings) == "unexplained"), "usd_cents"]
    read = facts.counts.items()
    yield Gauge(
        "billing_dq.night.time", "s", "Instant of the snapshot of the newest night.", (), _one(facts.as_of.timestamp())
    )
    complete = float(not facts.incomplete_because)
    yield Gauge("billing_dq.night.complete", "1", "Whether MongoDB was read to its end.", (), _one(complete))
    yield Gauge("billing_dq.stripe.read", "1", "Whether Stripe was read.", (), _one(float(stripe.state == "read")))
    yield Gauge(
        "billing_dq.findings.open",
        "{finding}",
        "Open findings that nobody accepted.",
        ("kind", "severity"),
        {pair: float(counted.get(pair, 0)) for pair in product(KINDS, SEVERITIES)},
    )
    accepted = float((still_open & accepted_ones).sum())
    yield Gauge(
        "billing_dq.findings.accepted", "{finding}", "Open findings that a person accepted.", (), _one(accepted)
    )
    yield Gauge(
        "billing_dq.findings.by_state",
        "{finding}",
        "Findings by what the night did to them.",
        ("state",),
        {(state,): float(states.get(state, 0)) for state in ("new", "persisting", "reopened", "resolved")},
    )
    owed_dollars = {("to_us",): cents.clip(lower=0).sum() / 100, ("to_customers",): -cents.clip(upper=0).sum() / 100}
    owed_doc = "Money that is owed, as the report adds it up."
    yield Gauge("billing_dq.findings.owed", "USD", owed_doc, ("direction",), owed_dollars)
    yield Gauge(
        "billing_dq.documents.quarantined",
        "{document}",
        "Documents that could not be read.",
        ("collection",),
        {(name,): float(count.quarantined) for name, count in read},
    )
    documents = {(name,): float(count.counted) for name, count in read}
    yield Gauge("billing_dq.documents.counted", "{document}", "Documents of a collection.", ("collection",), documents)


def newest_gauges(lake: Lake) -> list[Gauge]:
    """The metrics of the newest night that is whole; none where there is none."""
    nights = lake.nights(NIGHTLY_REPORT)[-1:]
    return [gauge for night in nights for gauge in _of_night(lake, night)]


def prometheus_text(metrics: list[Gauge]) -> tuple[bytes, str]:
    """Metrics in the text format of Prometheus, and its content type."""
    from prometheus_client import CollectorRegistry, exposition
    from prometheus_client.registry import Collector

    class _Newest(Collector):
        def collect(self) -> "Iterator[GaugeMetricFamily]":
            return map(_family, metrics)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Newest())
    return exposition.generate_latest(registry), exposition.CONTENT_TYPE_LATEST


def push(lake: Lake) -> str:
    """Send the metrics of the newest night to the collector of `COLLECTOR`; never fails a night.

    Returns:
        What became of it, in a few words without an address; empty where no collector is named.
    """
    if not any(os.environ.get(name) for name in COLLECTOR):
        return ""
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
        from opentelemetry.sdk.resources import Resource
    except ModuleNotFoundError:
        return "not pushed: it needs an extra, pip install 'billing-dq[otel]'"
    # it writes the collector's address
    logging.getLogger("opentelemetry.exporter.otlp.proto.http").setLevel(logging.CRITICAL)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource.create({"service.name": "billing_dq"}), shutdown_on_exit=False)
    try:
        for gauge in newest_gauges(lake):
            instrument = provider.get_meter("billing_dq").create_gauge(gauge.name, gauge.unit, gauge.doc)
            for values, amount in gauge.values.items():
                instrument.set(amount, dict(zip(gauge.labels, values, strict=True)))
        collected = reader.get_metrics_data()
        is_sent = collected is not None and OTLPMetricExporter().export(collected) is MetricExportResult.SUCCESS
    except Exception as error:  # of a stored file, or of the connection, whose text may hold the address
        return f"not pushed: {type(error).__name__}"
    return "pushed" if is_sent else "not pushed: the collector did not take them"


def _of_night(lake: Lake, night: str) -> Iterator[Gauge]:
    facts = SnapshotFactsRecord.require(lake.home, night)
    return gauges(read_findings(lake, night), facts, StripeReadingRecord.require(lake.home, night))


def _family(gauge: Gauge) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily

    name = gauge.name.replace(".", "_") + _SUFFIXES.get(gauge.unit, "")
    family = GaugeMetricFamily(name, gauge.doc, labels=gauge.labels)
    for values, amount in gauge.values.items():
        family.add_metric(values, amount)
    return family


def _one(value: float) -> dict[tuple[str, ...], float]:
    return {(): value}
