"""A message says the worst first and counts the rest, and text from data does no harm in it."""

from billing_dq.alerts.changes import Rule, Steps, changes
from billing_dq.alerts.message import LISTED, message, plain
from billing_dq.tables import NOTIFIED_ALERTS
from tests.support.alerting import after, alert, alerts

STEPS = Steps(units=1.0, cents=1)


def told(*rows: dict[str, object], known: tuple[dict[str, object], ...] = (), rule: Rule | None = None):
    rule = rule or Rule(severity="info")
    before = after(NOTIFIED_ALERTS.empty(), changes(alerts(*known), NOTIFIED_ALERTS.empty(), rule, STEPS))
    return changes(alerts(*rows), before, rule, STEPS)


def test_a_message_counts_what_happened_and_says_money_units_and_why() -> None:
    found = message("night of 2026-11-21", told(alert("a", since="2026-11-19")), "Money is leaking.", "/lake/x.html")
    assert found is not None
    assert found.title == "billing_dq, night of 2026-11-21: 1 new"
    assert found.severity == "error"
    assert found.text.split("\n\n") == [
        "Money is leaking.",
        "Report: /lake/x.html",
        "NEW error meter_extras_divergence, organization 6ab32b259efbcc0f7f5a4495, 2026-W45, first seen 2026-11-19, "
        "1,000 units, $1.00 to us: 1,000 units were not debited",
    ]


def test_a_reopened_matter_says_that_it_is_told_louder() -> None:
    found = message("x", told(alert("a", is_reopened=True)), "")
    assert found is not None
    assert found.severity == "critical"
    assert "REOPENED critical (one step above error)" in found.text


def test_the_worst_are_listed_and_the_rest_is_counted() -> None:
    rows = [alert(f"{number:03}", usd_cents=number, organization_id=None) for number in range(1, 31)]
    found = message("x", told(*rows[:-1], known=(rows[-1],)), "", silenced={"accepted": 3, "undecided": 0})
    assert found is not None
    assert found.title == "billing_dq, x: 29 new, 1 resolved"
    *listed, rest, quiet = found.text.split("\n\n")
    assert len(listed) == LISTED
    assert "$0.29 to us" in listed[0]
    assert rest == "And 20 more: 19 new, 1 resolved."
    assert quiet == "Open, and nobody is notified: 3 accepted."


def test_what_is_only_noted_makes_no_message() -> None:
    assert message("x", told(alert("a"), rule=Rule(events=["resolved"])), "lead") is None
    assert message("x", told(), "lead") is None


def test_only_good_news_is_not_loud() -> None:
    found = message("x", told(known=(alert("a", severity="critical"),)), "")
    assert found is not None
    assert found.severity == "info"
    assert found.text.startswith("RESOLVED meter_extras_divergence, organization")


def test_text_from_data_rings_nobody_draws_nothing_and_stays_on_its_line() -> None:
    hostile = "<!channel> @everyone *bold* `code` [x](https://evil.example)\nsecond\r\x1b[31m\u202eline"
    shown = plain(hostile)
    assert not set("<>@*`\n\r\x1b\u202e") & set(shown)
    assert "://" not in shown
    found = message("x", told(alert("a", sentence=hostile, subject=hostile, organization_id=hostile)), hostile)
    assert found is not None
    assert len(found.text.splitlines()) == 3
    assert "@" not in found.text
    assert "<!channel>" not in found.text


def test_long_text_is_cut() -> None:
    assert len(plain("x" * 10_000)) < 310
