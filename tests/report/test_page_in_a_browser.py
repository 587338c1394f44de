"""The page in Chromium: it sorts, filters and searches, asks nothing of the network, and runs no script of the data."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from billing_dq.report.page import page
from tests.support.chromium import asked_for, chromium, needs_chromium, opened, overflow, ready
from tests.support.report_night import HOSTILE, finding, findings, night, old, told

pytestmark = [needs_chromium, pytest.mark.slow]
ORGANIZATION = f"{1:024x}"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 65 findings, some of them hostile, with one week told in full."""
    tonight = findings(
        finding(1, usd_cents=5, explanation="the needle in the haystack"),
        old(2, organization_id=HOSTILE, subject=HOSTILE, explanation=HOSTILE, cause=HOSTILE, usd_cents=990),
        old(3, kind="ledger_violation", explanation="x" * 2000, usd_cents=-700),
        finding(4, severity="critical", kind="runaway_balance"),
        finding(5, severity="info"),
        *(old(number, usd_cents=number) for number in range(100, 160)),
    )
    kept = [told(finding(1)), told(finding(2, organization_id=HOSTILE, subject=HOSTILE), HOSTILE)]
    path = tmp_path_factory.mktemp("page") / "night.html"
    path.write_text(page(night(tonight, findings(), evidence=kept)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def browser(driver: webdriver.Chrome, page_file: Path) -> webdriver.Chrome:
    """The page, loaded and ready."""
    return ready(opened(driver, page_file.as_uri()))


def cells(browser: webdriver.Chrome, column: int) -> list[str]:
    """The text of a column (from 1), as it is shown."""
    found = browser.find_elements(By.CSS_SELECTOR, f"#findings-table tbody td:nth-child({column})")
    return [cell.get_attribute("textContent") or "" for cell in found]


def dollars(browser: webdriver.Chrome) -> list[float]:
    return [float(text) for text in cells(browser, 7)]


def click(browser: webdriver.Chrome, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def test_the_most_urgent_finding_is_first_and_a_click_sorts_by_money(browser: webdriver.Chrome) -> None:
    assert cells(browser, 1)[0] == "critical"
    click(browser, "#findings-table thead tr > :nth-child(7) .dt-column-order")
    assert dollars(browser) == sorted(dollars(browser))
    assert dollars(browser)[0] == -7.0
    click(browser, "#findings-table thead tr > :nth-child(7) .dt-column-order")
    assert dollars(browser)[0] == 9.9


def test_severity_sorts_by_rank_and_not_by_letter(browser: webdriver.Chrome) -> None:
    click(browser, "#findings-table thead tr > :nth-child(1) .dt-column-order")
    assert cells(browser, 1)[:2] == ["info", "error"]


def test_a_search_finds_a_word_of_an_explanation(browser: webdriver.Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, ".dt-search input").send_keys("needle")
    WebDriverWait(browser, 30).until(lambda driver: len(cells(driver, 1)) == 1)
    assert cells(browser, 10) == ["the needle in the haystack"]


def test_a_button_of_the_first_screen_filters_the_table(browser: webdriver.Chrome) -> None:
    click(browser, 'button[data-change="new"]')
    assert set(cells(browser, 2)) == {"new"}
    assert len(cells(browser, 2)) == 3
    click(browser, 'button[data-change="new"]')
    assert len(cells(browser, 2)) == 25


def test_a_column_filters_by_a_value_chosen_from_its_list(browser: webdriver.Chrome) -> None:
    click(browser, "#findings-table thead tr > :nth-child(4) .dtcc-button_dropdown")
    choices = browser.find_elements(By.CSS_SELECTOR, ".dtcc-dropdown .dtcc-list-buttons .dtcc-button")
    assert {choice.get_attribute("textContent") for choice in choices} == {
        "ledger violation",
        "meter extras divergence",
        "runaway balance",
    }
    next(one for one in choices if one.get_attribute("textContent") == "ledger violation").click()
    assert cells(browser, 4) == ["ledger violation"]


def test_a_row_opens_to_its_evidence_its_step_and_its_runbook(browser: webdriver.Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, ".dt-search input").send_keys("needle")
    WebDriverWait(browser, 30).until(lambda driver: len(cells(driver, 1)) == 1)
    click(browser, "#findings-table tbody tr td")
    more = browser.find_element(By.CSS_SELECTOR, ".more").get_attribute("textContent") or ""
    for part in ("What to do", "The ledger of", "The usage document of 2026-W45", "Why it is believed"):
        assert part in more
    click(browser, ".more .step a")
    assert browser.execute_script("return document.getElementById('runbook-meter-extras-divergence').open")


def test_an_address_opens_a_finding_and_says_which_one_is_open(driver: webdriver.Chrome, page_file: Path) -> None:
    ready(opened(driver, f"{page_file.as_uri()}#finding-{130:016x}"))
    assert f"{130:016x}" in (driver.find_element(By.CSS_SELECTOR, ".more").get_attribute("textContent") or "")
    ready(opened(driver, page_file.as_uri()))
    click(driver, "#findings-table tbody tr td")
    assert "#finding-" in driver.current_url


def test_rows_are_opened_by_the_keyboard_alone(browser: webdriver.Chrome) -> None:
    row = browser.find_element(By.CSS_SELECTOR, "#findings-table tbody tr")
    row.send_keys(Keys.ENTER)
    assert browser.find_elements(By.CSS_SELECTOR, ".more")
    assert row.get_attribute("aria-expanded") == "true"
    row.send_keys(Keys.ENTER)
    assert browser.find_elements(By.CSS_SELECTOR, ".more") == []


def test_an_address_remembers_search_and_filter(driver: webdriver.Chrome, browser: webdriver.Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, ".dt-search input").send_keys("needle")
    WebDriverWait(browser, 30).until(lambda one: "view=" in one.current_url)
    address = browser.current_url
    ready(opened(driver, address))
    WebDriverWait(driver, 30).until(lambda one: len(cells(one, 1)) == 1)
    assert cells(driver, 10) == ["the needle in the haystack"]


def test_no_script_of_the_data_runs_and_its_text_is_shown(browser: webdriver.Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, ".dt-search input").send_keys("owned")
    WebDriverWait(browser, 30).until(lambda driver: len(cells(driver, 1)) == 1)
    click(browser, "#findings-table tbody tr td")
    assert HOSTILE in (browser.find_element(By.CSS_SELECTOR, ".more").get_attribute("textContent") or "")
    assert cells(browser, 5)[0] == HOSTILE
    assert browser.title == "billing_dq: the night of 2026-11-21"
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []


def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: webdriver.Chrome, page_file: Path) -> None:
    assert browser.get_log("browser") == []
    assert [address for address in asked_for(browser) if not address.startswith(("blob:", "data:"))] == [
        page_file.as_uri()
    ]


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_a_long_text_and_long_names_do_not_widen_the_page(browser: webdriver.Chrome, width: int) -> None:
    browser.set_window_size(width, 900)
    assert overflow(browser) <= 0


def test_printing_shows_more_rows_than_a_screen(browser: webdriver.Chrome) -> None:
    browser.execute_cdp_cmd("Page.printToPDF", {})
    shown = browser.execute_script(
        "dispatchEvent(new Event('beforeprint')); return document.querySelectorAll('#findings-table tbody tr').length"
    )
    assert shown == 65


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 25, 29)")])
def test_it_follows_the_colours_of_the_system_and_prints_on_white(
    browser: webdriver.Chrome, scheme: str, paper: str
) -> None:
    def background() -> str:
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    features = [{"name": "prefers-color-scheme", "value": scheme}]
    try:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert background() == paper
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
        assert background() == "rgb(255, 255, 255)"
        assert not browser.find_element(By.CSS_SELECTOR, ".dt-search").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
