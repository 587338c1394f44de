"""The newest night as metrics: for Prometheus, and pushed over OTLP."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from billing_dq.serving.app import application
from billing_dq.serving.metrics import newest_gauges, prometheus_text, push
from billing_dq.serving.server import serving
from billing_dq.storage.lake import Lake
from billing_dq.vocabulary.kinds import KINDS
from billing_dq.vocabulary.severities import SEVERITIES
from tests.support.pure_night import sample_settings
from tests.support.two_nights import ORG, OTHER, store_two_nights


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home = tmp_path_factory.mktemp("nights")
    store_two_nights(home)
    return Lake(str(home))


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ExportMetricsServiceRequest]]:
    """A collector of this machine: what it was sent."""
    received: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield received
        server.shutdown()
        thread.join()


def samples(lake: Lake) -> dict[tuple[str, ...], float]:
    text, _ = prometheus_text(newest_gauges(lake))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_newest_night_is_told_in_findings_and_dollars(lake: Lake) -> None:
    told = samples(lake)
    assert told["billing_dq_night_time_seconds",] == 1_795_317_000
    assert told["billing_dq_findings_open", "pack_without_topup", "critical"] == 1
    assert told["billing_dq_findings_open", "meter_extras_divergence", "error"] == 1
    assert told["billing_dq_findings_by_state", "resolved"] == 1
    assert told["billing_dq_findings_owed_dollars", "to_customers"] == 5.04
    assert told["billing_dq_documents_counted", "organizations"] == 2


def test_labels_are_words_of_the_vocabulary_and_no_id(lake: Lake) -> None:
    text = prometheus_text(newest_gauges(lake))[0].decode()
    assert not {one for one in (ORG, OTHER, "ch_1", "f2") if one in text}
    assert sum(name[0] == "billing_dq_findings_open" for name in samples(lake)) == len(KINDS) * len(SEVERITIES)


def test_without_a_night_there_is_no_metric(tmp_path: Path) -> None:
    assert samples(Lake(str(tmp_path))) == {}


def test_serve_answers_prometheus(lake: Lake) -> None:
    with serving(application(sample_settings(home=lake.home)), 0) as address, requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{address}metrics", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "billing_dq_night_complete 1.0" in answer.text


def test_a_night_is_pushed_where_a_collector_is_named(lake: Lake, collector: list[ExportMetricsServiceRequest]) -> None:
    assert push(lake) == "pushed"
    (resource,) = collector[0].resource_metrics
    metrics = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    assert metrics["billing_dq.night.time"].unit == "s"
    assert metrics["billing_dq.findings.owed"].unit == "USD"
    assert {one.value.string_value for one in resource.resource.attributes if one.key == "service.name"} == {
        "billing_dq"
    }


def test_a_collector_that_is_not_there_fails_nothing_and_its_address_is_not_told(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.01")
    assert push(lake) == "not pushed: the collector did not take them"
    assert "secret" not in caplog.text


def test_nothing_is_pushed_where_no_collector_is_named(lake: Lake) -> None:
    assert push(lake) == ""
