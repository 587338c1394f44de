"""The page without a browser: it is whole, asks for nothing, escapes everything, and stays small."""

import base64
import gzip
import json
import random
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from billing_dq.report import pictures
from billing_dq.report.markdown import LISTED, markdown
from billing_dq.report.page import MOST_FINDINGS, page
from billing_dq.report.verdicts import coverage
from billing_dq.vocabulary.kinds import KINDS
from tests.support.finding_rows import deltas
from tests.support.report_night import HOSTILE, NIGHT, finding, findings, night, old, told

FIVE_MEGABYTES = 5_000_000


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.found if "id" in attributes]


def packed_rows(text: str) -> list[list[object]]:
    found = re.search(r'id="findings-data">([^<]*)<', text)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))["rows"]


def test_the_first_screen_has_the_sentence_and_every_sum() -> None:
    text = page(night())
    assert "1 break is new of 4 open; $5.00 is owed to us and $0.50 to customers" in text
    for amount in ("$5.00", "$0.50", "$0.20", "$0.07", "$9.00"):
        assert amount in text
    assert "<b>1</b> worse" in text


def test_the_table_has_every_finding_as_it_is_stored() -> None:
    told = night()
    rows = packed_rows(page(told))
    assert [row[14] for row in rows] == list(told.findings["finding_id"])
    assert [row[6] for row in rows] == list(told.findings["usd_cents"])
    assert [row[7] for row in rows] == list(told.findings["units"])


def test_every_kind_of_finding_has_its_section_of_the_runbook_in_the_page() -> None:
    ids = Elements(page(night())).ids()
    assert {f"runbook-{kind.runbook}" for kind in KINDS.values()} <= set(ids)


def test_no_id_is_used_twice_although_pictures_bring_their_own() -> None:
    assert [one for one, count in Counter(Elements(page(night())).ids()).items() if count > 1] == []


def test_the_page_refers_to_nothing_outside_itself() -> None:
    for tag, attributes in Elements(page(night())).found:
        assert tag != "link" or (attributes["href"] or "").startswith("data:image/svg+xml,")
        assert tag not in ("iframe", "object", "embed", "base", "form"), tag
        assert "src" not in attributes
        href = attributes.get("href") or ""
        assert tag != "a" or href.startswith(("#", "https://", "../data_page/")), href


def test_only_a_night_that_was_measured_links_the_page_about_its_data() -> None:
    assert f"../data_page/{NIGHT}.html" in page(night())
    assert "data_page" not in page(replace(night(), is_measured=False))


def test_the_first_screen_says_what_becomes_of_a_credit_that_is_due() -> None:
    for mode, sentence in [("off", "none is planned"), ("apply", "written by the machine")]:
        assert f"(mode <b>{mode}</b>): {sentence}." in page(replace(night(), credits_mode=mode))


def test_text_of_data_is_never_an_element() -> None:
    worst = finding(1, organization_id=HOSTILE, subject=HOSTILE, explanation=HOSTILE * 20, cause=HOSTILE)
    hostile = night(
        findings(
            worst,
            old(2, kind="ledger_violation", accepted_by=HOSTILE, accepted_why=HOSTILE),
        ),
        stripe="failed",
        evidence=[told(worst, HOSTILE), told(finding(3, organization_id="7" * 24), HOSTILE)],
    )
    found = Elements(page(hostile)).found
    assert [tag for tag, _ in found].count("script") == 3
    assert "img" not in [tag for tag, _ in found]
    assert not [attributes for _, attributes in found if any(name.startswith("on") for name in attributes)]


def test_the_markdown_shows_hostile_text_as_text_and_stays_a_table() -> None:
    text = markdown(night(findings(finding(1, explanation=f"{HOSTILE} | a\n\n# b `c`" * 20, subject="a|`b`\n| c"))))
    assert "<script" not in text.replace("\\<script", "")
    row = next(line for line in text.splitlines() if line.startswith("| error"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 9


def test_the_markdown_lists_the_first_findings_and_counts_the_others() -> None:
    text = markdown(night(findings(*(finding(number) for number in range(LISTED + 3)))))
    assert text.count("\n| error |") == LISTED
    assert "And 3 more" in text


def test_ten_thousand_findings_with_long_texts_stay_under_five_megabytes() -> None:
    words = random.Random(1)
    many = [
        finding(
            words.getrandbits(60),
            organization_id=f"{words.getrandbits(95):024x}",
            explanation=" ".join(f"{words.getrandbits(40)} units" for _ in range(150)),
        )
        for _ in range(MOST_FINDINGS + 5)
    ]
    text = page(night(findings(*many)))
    assert len(text.encode()) < FIVE_MEGABYTES
    assert len(packed_rows(text)) == MOST_FINDINGS
    assert "5 more are not in this page" in text


def test_the_first_findings_open_to_their_evidence_as_far_as_there_is_room() -> None:
    kept = [told(finding(number, organization_id=f"{number:024x}"), "k" * 50_000) for number in range(1, 40)]
    text = page(night(evidence=kept))
    shown = re.findall(r'<template data-finding="([0-9a-f]{16})">', text)
    assert 1 < len(shown) < 39
    assert shown == [f"{number:016x}" for number in range(1, len(shown) + 1)]
    assert len(text) < FIVE_MEGABYTES


def test_what_to_do_first_is_the_step_and_leads_to_the_evidence() -> None:
    text = page(night())
    first = text[text.index('<ol class="first">') : text.index("</ol>")]
    assert f'href="#finding-{3:016x}"' in first
    assert "Find the crash" in first
    assert "were not debited" not in first


def test_a_text_of_2000_characters_is_told_in_full() -> None:
    long = "abcdefghi " * 200
    assert packed_rows(page(night(findings(finding(1, explanation=long)))))[0][10] == long


def test_a_first_night_without_findings_has_a_page() -> None:
    text = page(night(findings()))
    assert "Nothing is broken." in text
    assert packed_rows(text) == []


@pytest.mark.parametrize("draw", [pictures.deltas_against_tolerance, pictures.worst_weeks])
def test_there_is_no_picture_of_nothing(draw) -> None:
    assert draw(deltas()) == ""


def test_a_picture_takes_the_colour_of_the_page_and_escapes_what_it_draws() -> None:
    drawn = pictures.worst_weeks(night().deltas)
    assert "currentColor" in drawn
    assert "&lt;/script&gt;" in drawn
    assert "<script" not in drawn


def test_the_bar_of_the_coverage_ends_at_100_percent() -> None:
    drawn = pictures.coverage_bar(coverage(night().deltas))
    widths = [float(width) for width in re.findall(r'aria-roledescription="bar" d="M[\d.]+,[\d.]+h([\d.]+)', drawn)]
    assert sum(widths) == pytest.approx(560, abs=0.01)


def test_the_same_night_gives_the_same_bytes() -> None:
    assert page(night()) == page(night())
