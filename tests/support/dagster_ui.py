"""Dagster's web server over a night that was taken, and what the tests ask of its pages."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from billing_dq_simulation.embedded import free_port

#: Long enough for a busy machine; nothing waits for longer than it takes.
SECONDS = 120


@contextlib.contextmanager
def webserver(environment: Mapping[str, str], log: Path, *options: str) -> Iterator[str]:
    """A web server; its address, which answers a little later (`answering`)."""
    port = free_port()
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    command = [program, "-h", "127.0.0.1", "-p", str(port), "-m", "billing_dq.definitions", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def answering(address: str) -> str:
    """The address of a web server, once it answers.

    Raises:
        TimeoutError: it does not.
    """
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/server_info", timeout=5):
            return address
    raise TimeoutError(address)


def opened(browser: webdriver.Chrome, address: str, *texts: str) -> str:
    """The text of a page, once it shows all of some texts."""
    browser.get(address)
    return shows(browser, *texts)


def shows(browser: webdriver.Chrome, *texts: str) -> str:
    """The text of the page that is open, once it shows all of some texts."""
    WebDriverWait(browser, SECONDS).until(lambda one: all(text in body(one) for text in texts), f"waited for {texts}")
    return body(browser)


def body(browser: webdriver.Chrome) -> str:
    """The text of the page, without what an editor adds to spaces."""
    text = browser.execute_script("return document.body ? document.body.innerText : ''")
    return str(text or "").replace("\xa0", " ").replace("\u200b", "")


def button(browser: webdriver.Chrome, text: str) -> WebElement:
    """The button of a text, once it is there."""
    path = f"//button[normalize-space()='{text}'] | //*[normalize-space(text())='{text}']"
    return WebDriverWait(browser, SECONDS).until(lambda one: one.find_element(By.XPATH, path), f"no button {text}")


def press(browser: webdriver.Chrome, text: str) -> None:
    """Press the button of a text, once it can be."""
    found = button(browser, text)
    WebDriverWait(browser, SECONDS).until(lambda _: found.is_enabled(), f"{text} stays disabled")
    browser.execute_script("arguments[0].click()", found)
