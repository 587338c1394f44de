"""The pictures of the README, from what `make demo` kept: `make screenshots`. It needs Chromium and its driver."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from selenium import webdriver

from billing_dq.serving.app import application
from billing_dq.serving.server import serving
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS
from tests.support.chromium import chromium, ready

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1400


def main() -> None:
    """Draw every picture anew."""
    os.environ.setdefault("BILLING_DQ_CONFIG", str(ROOT / ".billing_dq" / "demo" / "billing_dq.toml"))
    settings = load_settings()
    lake = Lake(settings.home)
    night, stored = lake.choose(FINDINGS, None)
    findings = stored.frame()
    meter = findings[(findings["kind"] == "meter_extras_divergence") & (findings["severity"] == "error")]
    worst = meter.loc[meter["units"].abs().idxmax()]
    PICTURES.mkdir(exist_ok=True)
    with chromium() as driver, serving(application(settings), 0) as address:
        ready(_opened(driver, f"{address}nights/{night}"))
        _keep(driver, "report", height=830)
        driver.execute_script("document.querySelector('.dt-search input').focus()")
        driver.switch_to.active_element.send_keys(str(worst["organization_id"]))
        driver.execute_script("document.querySelector('#findings-table tbody tr td').click()")
        driver.execute_script("document.getElementById('findings').scrollIntoView()")
        _keep(driver, "finding", height=760)
        _opened(driver, f"{address}organizations/{worst['organization_id']}")
        _keep(driver, "organization", height=800)


def _opened(driver: webdriver.Chrome, address: str) -> webdriver.Chrome:
    driver.get(address)
    return driver


def _keep(driver: webdriver.Chrome, name: str, height: int) -> None:
    """What the window shows at a height, as a PNG of 64 colours."""
    with _window(driver, height):
        shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    shot.quantize(64, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


@contextmanager
def _window(driver: webdriver.Chrome, height: int) -> Iterator[None]:
    size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


if __name__ == "__main__":
    main()
