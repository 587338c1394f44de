"""Chromium for the tests that look at a page as a browser does; they are skipped where there is none."""

import contextlib
import json
import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

_CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
_DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None or _DRIVER is None,
    reason="needs Chromium and its driver: apt-get install chromium chromium-driver",
)


@contextlib.contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser that remembers what it said (log `browser`) and what it asked of the network (log `performance`)."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(_CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(_DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def opened(driver: webdriver.Chrome, address: str) -> webdriver.Chrome:
    """The browser with a page in it, the logs of earlier pages dropped."""
    driver.set_window_size(1400, 900)
    driver.get("about:blank")
    for log in ("browser", "performance"):
        driver.get_log(log)
    driver.get(address)
    return driver


def ready(driver: webdriver.Chrome) -> webdriver.Chrome:
    """The browser once the script of a report has filled its table."""
    WebDriverWait(driver, 60).until(lambda one: one.execute_script("return document.documentElement.dataset.ready"))
    return driver


def asked_for(driver: webdriver.Chrome) -> list[str]:
    """The addresses that the page asked for since it was opened, itself included."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        one["params"]["request"]["url"]
        for one in messages
        if one["method"] == "Network.requestWillBeSent" and not one["params"]["request"]["url"].startswith("about:")
    ]


def overflow(driver: webdriver.Chrome) -> int:
    """By how many pixels the page is wider than the window."""
    return driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
