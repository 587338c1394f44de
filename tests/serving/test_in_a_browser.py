"""`billing-dq serve` in Chromium: from the list of nights to a finding, its organization, its week and the runbook."""

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.serving.conftest import Served
from tests.support.chromium import asked_for, chromium, needs_chromium, opened, overflow, ready
from tests.support.report_night import HOSTILE, finding, findings
from tests.support.stored_nights import NIGHTS, store

pytestmark = [needs_chromium, pytest.mark.slow]


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


def follow(driver: webdriver.Chrome, link: str) -> None:
    """Click the first link with a text, and wait for another page."""
    before = driver.current_url
    driver.find_element(By.PARTIAL_LINK_TEXT, link).click()
    WebDriverWait(driver, 60).until(lambda one: one.current_url != before)


def test_from_the_nights_to_a_finding_its_organization_its_week_and_the_runbook(
    driver: webdriver.Chrome, served: Served
) -> None:
    opened(driver, served.address)
    follow(driver, NIGHTS[1])
    ready(driver)
    driver.execute_script("document.querySelector('#findings-table tbody tr td').click()")
    follow(driver, "The page of this finding")
    assert "What to do" in driver.page_source
    driver.back()
    ready(driver)
    follow(driver, "This organization over time")
    assert "/organizations/" in driver.current_url
    follow(driver, "2026-W46")
    assert "From usage to debits" in driver.page_source
    driver.back()
    follow(driver, "meter extras divergence")
    follow(driver, "the runbook: Meter extras divergence")
    assert driver.current_url.endswith("/runbook#meter-extras-divergence")
    assert driver.find_element(By.CSS_SELECTOR, "section:target h2").is_displayed()
    assert driver.get_log("browser") == []


def test_the_search_leads_to_an_organization(driver: webdriver.Chrome, served: Served) -> None:
    opened(driver, served.address)
    driver.find_element(By.NAME, "q").send_keys(served.organization[:20], Keys.ENTER)
    WebDriverWait(driver, 60).until(lambda one: one.current_url.endswith(f"/organizations/{served.organization}"))
    assert driver.find_element(By.CSS_SELECTOR, "#weeks svg").is_displayed()


@pytest.mark.parametrize("path", ["", f"nights/{NIGHTS[1]}", "organizations", "runbook"])
@pytest.mark.parametrize("width", [390, 800, 1400])
def test_a_page_asks_this_machine_only_complains_of_nothing_and_fits(
    driver: webdriver.Chrome, served: Served, path: str, width: int
) -> None:
    opened(driver, served.address + path)
    if "nights" in path:
        ready(driver)
    driver.set_window_size(width, 900)
    assert overflow(driver) <= 0
    assert driver.get_log("browser") == []
    asked = [address for address in asked_for(driver) if not address.startswith(("blob:", "data:"))]
    assert asked
    assert [address for address in asked if not address.startswith(served.address)] == []


@pytest.mark.parametrize("width", [800, 1400])
def test_hostile_and_long_text_of_an_organization_is_shown_as_text(
    driver: webdriver.Chrome, served: Served, width: int
) -> None:
    texts = ({"explanation": HOSTILE, "subject": HOSTILE, "cause": HOSTILE}, {"explanation": "x" * 2000})
    rows = findings(*(finding(number, organization_id="7" * 24, **text) for number, text in enumerate(texts)))
    store(served.home, "findings", "2026-11-20", rows)
    try:
        opened(driver, f"{served.address}organizations/{'7' * 24}")
    finally:
        (served.home / "lake" / "findings" / "2026-11-20.parquet").unlink()
    driver.set_window_size(width, 900)
    assert driver.title == f"billing_dq: organization {'7' * 24}"
    assert HOSTILE in driver.find_element(By.ID, "findings").get_property("textContent")
    assert driver.find_elements(By.CSS_SELECTOR, "script, img") == []
    assert overflow(driver) <= 0
