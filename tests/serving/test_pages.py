"""What `billing-dq serve` answers: every stored night, every organization over the nights, the runbook."""

import re
import shutil
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from billing_dq.report.night import read_findings
from billing_dq.report.page import content_policy
from billing_dq.serving.app import application
from billing_dq.serving.nights import night_lines
from billing_dq.serving.security import PLAIN_POLICY, STYLED_POLICY
from billing_dq.serving.server import serving
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.lake import Lake
from billing_dq.tables import ACCEPTANCES
from billing_dq.vocabulary.kinds import KINDS
from tests.serving.conftest import Served
from tests.support.finding_rows import deltas
from tests.support.pure_night import sample_settings
from tests.support.report_night import AS_OF, HOSTILE, NIGHT, finding, findings, night
from tests.support.stored_nights import NIGHTS, store, store_record


def get(served: Served, path: str, **headers: str) -> requests.Response:
    return requests.get(served.address + path.removeprefix("/"), headers=headers, timeout=60, allow_redirects=False)


def raw(served: Served, path: str, method: str = "GET") -> int:
    """The status of a path that is sent as it stands; a client would tidy it up."""
    with closing(HTTPConnection(urlsplit(served.address).netloc, timeout=60)) as connection:
        connection.request(method, path)
        return connection.getresponse().status


def test_the_first_page_has_every_night_with_its_sentence_the_newest_first(served: Served) -> None:
    text = get(served, "/").text
    assert re.findall(r'<td><a href="/nights/([\d-]+)"', text) == list(reversed(NIGHTS))
    assert "2 breaks are new of 2 open" in text
    assert "No finding needs anybody tonight." in text
    assert "<svg" in text


def test_older_nights_are_a_page_further(served: Served) -> None:
    text = get(served, f"/?before={NIGHTS[1]}").text
    assert re.findall(r'<td><a href="/nights/([\d-]+)"', text) == [NIGHTS[0]]
    assert "no night before 2000" in get(served, "/?before=2000").text


def test_the_data_of_a_night_is_a_page_that_its_report_links_to(served: Served) -> None:
    stored = Lake(str(served.home)).data_page_path(NIGHTS[0])
    stored.parent.mkdir(exist_ok=True)
    stored.write_text("<style>p {}</style>as ever", encoding="utf-8")
    answer = get(served, f"/data_page/{NIGHTS[0]}.html")
    assert answer.text.endswith("as ever")
    assert answer.headers["Content-Security-Policy"] == STYLED_POLICY
    assert "script" not in STYLED_POLICY
    assert get(served, f"/data_page/{NIGHTS[1]}.html").status_code == 404
    assert get(served, "/data_page/2000-01-01.html").status_code == 404


def test_what_was_accepted_since_is_told_at_once(tmp_path: Path) -> None:
    lake, row = Lake(str(tmp_path)), finding(1)
    store(tmp_path, "findings", NIGHT, findings(row))
    store(tmp_path, "meter_extras_deltas", NIGHT, deltas())
    store_record(tmp_path, night().stripe, NIGHT)
    store_record(tmp_path, night().snapshot, NIGHT)
    (before,) = night_lines(lake, [NIGHT])
    assert before.sentence.startswith("1 break is new of 1 open")
    decision = {name: row[name] for name in ("finding_id", "kind", "severity", "units", "usd_cents", "cause")}
    decision |= {"night": NIGHT, "accepted": True, "by": "ann", "why": "known", "until": None, "at": AS_OF}
    AcceptanceLog(lake.home).append(ACCEPTANCES.from_rows([decision]))
    (after,) = night_lines(lake, [NIGHT])
    assert after.sentence == "No finding needs anybody tonight."


def test_a_night_in_part_says_so_and_hides_no_other(served: Served, tmp_path: Path) -> None:
    for path in (served.home / "lake").rglob(f"{NIGHTS[0]}.*"):
        copy = tmp_path / path.relative_to(served.home)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    store(tmp_path, "nightly_report", "2026-11-30", findings().iloc[:0][[]].assign(name="", value=0.0, unit=""))
    with serving(application(sample_settings(home=str(tmp_path))), 0) as address:
        text = requests.get(address, timeout=60).text
        assert "A part of this night is missing" in text
        assert f'href="/nights/{NIGHTS[0]}"' in text
        assert requests.get(f"{address}nights/2026-11-30", timeout=60).status_code == 404


def test_without_a_night_the_first_page_says_what_to_run(tmp_path: Path) -> None:
    with serving(application(sample_settings(home=str(tmp_path / "absent"))), 0) as address:
        answer = requests.get(address, timeout=60)
        assert answer.status_code == 200
        assert "billing-dq nightly" in answer.text
        assert requests.get(f"{address}organizations?q=6a", timeout=60).status_code == 200
        assert requests.get(f"{address}nights/2026-11-21", timeout=60).status_code == 404
        assert requests.get(f"{address}organizations/{'a' * 24}", timeout=60).status_code == 404


def test_a_night_is_its_stored_report_with_ways_to_the_other_pages(served: Served) -> None:
    answer = get(served, f"/nights/{NIGHTS[1]}")
    stored = (served.home / "lake" / "report" / f"{NIGHTS[1]}.html").read_text(encoding="utf-8")
    assert stored.partition("<body>")[2] in answer.text
    assert '<a href="/organizations">' in answer.text
    assert answer.headers["Content-Security-Policy"] == f"{content_policy()}; frame-ancestors 'none'"


def test_a_report_that_is_missing_or_of_another_version_is_made_anew_and_not_stored(served: Served) -> None:
    stored = served.home / "lake" / "report" / f"{NIGHTS[0]}.html"
    before = stored.read_bytes()
    try:
        stored.write_text("<body>of another version</body>", encoding="utf-8")
        assert "findings-table" in get(served, f"/nights/{NIGHTS[0]}").text
        stored.unlink()
        assert "findings-table" in get(served, f"/nights/{NIGHTS[0]}").text
        assert not stored.exists()
    finally:
        stored.write_bytes(before)


def test_an_organization_has_its_weeks_its_findings_and_a_way_to_each_week(served: Served) -> None:
    text = get(served, f"/organizations/{served.organization}").text
    assert text.count("<svg") == 3
    assert f'href="/organizations/{served.organization}/weeks/2026-W46?night={NIGHTS[1]}"' in text
    assert "meter extras divergence" in text
    assert re.search(r'href="/findings/[0-9a-f]{16}"', text)
    assert "balance now" in text
    week = get(served, f"/organizations/{served.organization}/weeks/2026-W46?night={NIGHTS[1]}").text
    assert "From usage to debits" in week
    assert "db.getCollection(" in week
    assert "never debited" in week
    first = get(served, f"/organizations/{served.organization}/weeks/2026-W46?night={NIGHTS[0]}").text
    assert "never debited" not in first


def test_a_finding_that_is_gone_is_still_told_by_the_nights_that_had_it(served: Served) -> None:
    gone = f"{77:024x}"
    text = get(served, f"/organizations/{gone}")
    assert text.status_code == 404
    path = served.home / "lake" / "findings" / "2026-11-20.parquet"
    store(served.home, "findings", "2026-11-20", findings(finding(77, explanation=HOSTILE, subject=HOSTILE)))
    try:
        text = get(served, f"/organizations/{gone}").text
    finally:
        path.unlink()
    assert "first_seen" not in text
    assert "&lt;script&gt;document.title" in text
    assert "<script" not in text
    assert "<img" not in text


def test_a_dispute_is_told_with_its_events(served: Served) -> None:
    found = get(served, "/organizations?q=du_")
    organization = re.findall(r'href="(/organizations/[0-9a-f]{24})"', found.text)[0]
    text = get(served, organization).text
    assert "dispute opened" in text
    assert "of what was withdrawn" in text


def test_one_organization_that_is_found_is_shown_at_once(served: Served) -> None:
    page = f"/organizations/{served.organization}"
    finding_id = read_findings(Lake(str(served.home)), NIGHTS[1]).set_index("organization_id")["finding_id"]
    for text in (served.organization, f" {served.organization[:23]} ", finding_id[served.organization]):
        answer = get(served, f"/organizations?q={text}")
        assert (answer.status_code, answer.headers["location"]) == (303, page)


def test_a_search_lists_what_begins_so_and_shows_hostile_text_as_text(served: Served) -> None:
    assert get(served, "/organizations?q=6a").text.count('<td><a href="/organizations/') == 50
    assert "More than 50 organizations" in get(served, "/organizations?q=6a").text
    text = get(served, "/organizations?q=<script>alert(1)</script>").text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text


def test_the_runbook_has_an_anchor_for_every_kind_of_finding(served: Served) -> None:
    text = get(served, "/runbook").text
    ids = set(re.findall(r' id="([^"]+)"', text))
    assert {kind.runbook for kind in KINDS.values()} <= ids
    assert set(re.findall(r'href="#([^"]+)"', text)) <= ids


@pytest.mark.parametrize(
    "path",
    [
        "/nights/..%2f..%2fbilling_dq.toml",
        "/nights/../../etc/passwd",
        "/nights/2026-11-21%00",
        "/nights/2026-11-2１",
        "/nights/2026-11-21.parquet",
        "/nights/2026-11-20",
        "/organizations/..%2f..%2fx",
        "/organizations/<script>",
        "/organizations/ffffffffffffffffffffffff",
        "/organizations/ffffffffffffffffffffffff/weeks/2026-W46",
        "/organizations/ffffffffffffffffffffffff/weeks/2026-W99",
        "/organizations/ffffffffffffffffffffffff/weeks/2026-W46?night=../x",
        "/nowhere",
    ],
)
def test_what_is_not_a_stored_night_or_organization_is_not_found(served: Served, path: str) -> None:
    answer = get(served, path)
    assert answer.status_code == 404
    assert "<script" not in answer.text
    assert raw(served, path.encode("ascii", "ignore").decode().replace("<", "%3C")) == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", f"/nights/{NIGHTS[0]}", "/organizations", "/runbook"])
def test_only_reading_is_possible(served: Served, method: str, path: str) -> None:
    assert raw(served, path, method) == 405


def test_head_answers_without_a_body(served: Served) -> None:
    answer = requests.head(served.address, timeout=60)
    assert answer.status_code == 200
    assert answer.content == b""


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_a_name_that_is_not_this_machines_is_refused(served: Served, host: str) -> None:
    answer = get(served, "/", Host=host)
    assert answer.status_code == 400
    assert NIGHTS[0] not in answer.text


def test_localhost_is_this_machine_under_any_port(served: Served) -> None:
    assert get(served, "/", Host="localhost:1234").status_code == 200


@pytest.mark.parametrize("path", ["/", "/nowhere", "/runbook", "/style.css", "/organizations?q=x"])
def test_every_answer_tells_the_browser_to_run_and_load_nothing_else(served: Served, path: str) -> None:
    headers = get(served, path).headers
    assert headers["Content-Security-Policy"] == PLAIN_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "server" not in headers


def test_a_damaged_night_says_so_and_is_no_error_of_the_server(tmp_path: Path) -> None:
    broken = tmp_path / "lake" / "nightly_report" / "2026-11-21.parquet"
    broken.mkdir(parents=True)  # a directory in the place of a file
    (tmp_path / "lake" / "stripe_reading").mkdir()
    (tmp_path / "lake" / "stripe_reading" / "2026-11-21.json").write_text("{", encoding="utf-8")
    with serving(application(sample_settings(home=str(tmp_path))), 0) as address:
        for path in ("", "nights/2026-11-21", "organizations", f"organizations/{'a' * 24}", f"findings/{'a' * 16}"):
            answer = requests.get(address + path, timeout=60)
            assert answer.status_code in (200, 404), path
            assert answer.headers["Content-Security-Policy"] == PLAIN_POLICY


def test_a_damaged_record_of_one_night_hides_no_other(served: Served, tmp_path: Path) -> None:
    shutil.copytree(served.home, tmp_path / "home")
    (tmp_path / "home" / "lake" / "stripe_reading" / f"{NIGHTS[0]}.json").write_text("{", encoding="utf-8")
    with serving(application(sample_settings(home=str(tmp_path / "home"))), 0) as address:
        text = requests.get(address, timeout=60).text
    assert "Damaged." in text
    assert f'href="/nights/{NIGHTS[1]}"' in text


@pytest.mark.parametrize("name", ["report", "findings"])
def test_a_night_with_a_link_out_of_the_lake_is_not_served(served: Served, tmp_path: Path, name: str) -> None:
    shutil.copytree(served.home, tmp_path / "home")
    (path,) = (tmp_path / "home" / "lake" / name).glob(f"{NIGHTS[1]}.[hp]*")
    path.unlink()
    secret = tmp_path / "secret"
    secret.write_text("not for browsers", encoding="utf-8")
    path.symlink_to(secret)
    with serving(application(sample_settings(home=str(tmp_path / "home"))), 0) as address:
        answer = requests.get(f"{address}nights/{NIGHTS[1]}", timeout=60)
        assert answer.status_code == 404
        assert "not for browsers" not in answer.text
        assert NIGHTS[1] not in requests.get(address, timeout=60).text


def test_a_finding_has_a_page_with_its_evidence_on_every_side(served: Served) -> None:
    findings = read_findings(Lake(str(served.home)), NIGHTS[1])
    rows = findings[(findings["organization_id"] == served.organization) & (findings["subject"] == "2026-W46")]
    answer = get(served, f"/findings/{rows['finding_id'].iloc[0]}")
    assert answer.status_code == 200
    for part in (
        "is owed to us.",
        "What to do",
        "The ledger of",
        "missing debit",
        "expected as debits",
        'class="bar total"',
    ):
        assert part in answer.text
    assert answer.text.count('class="bar') >= 4
    assert "<script" not in answer.text
    assert get(served, f"/findings/{'0' * 16}").status_code == 404
    assert get(served, "/findings/x").status_code == 404


def test_a_night_leads_to_the_nights_beside_it_and_marks_its_place(served: Served) -> None:
    first, last = (get(served, f"/nights/{night}").text for night in NIGHTS)
    assert f'href="/nights/{NIGHTS[1]}" rel="next"' in first
    assert 'rel="prev"' not in first.partition("</nav>")[0]
    assert f'href="/nights/{NIGHTS[0]}" rel="prev"' in last
    assert '<a href="/" aria-current="page">' in first
    assert 'aria-current="page">Organizations' in get(served, "/organizations").text


def test_organizations_are_sorted_by_the_column_of_the_address(served: Served) -> None:
    def balances(sort: str) -> list[float]:
        text = get(served, f"/organizations?sort={sort}").text
        cells = re.findall(r'<td class="number">(-?[\d,.]*)</td><td class="phone-out">', text)
        return [float(cell.replace(",", "")) for cell in cells if cell]

    assert balances("balance") == sorted(balances("balance"))
    assert balances("-balance") == sorted(balances("-balance"), reverse=True)
    assert get(served, "/organizations?sort=nothing&page=x").status_code == 200
    assert served.organization in get(served, "/organizations").text
    assert 'rel="next"' in get(served, "/organizations").text
    assert 'rel="prev"' in get(served, "/organizations?page=2").text


def test_serving_changes_nothing_that_is_stored(served: Served) -> None:
    def stored() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in served.home.rglob("*")}

    before = stored()
    for path in ("/", f"/nights/{NIGHTS[1]}", f"/organizations/{served.organization}", "/runbook"):
        assert get(served, path).status_code == 200
    assert stored() == before
