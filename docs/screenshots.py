"""The pictures of the README, from what `make demo` kept: `make screenshots`. It needs Chromium and its driver."""

import os
from pathlib import Path

from selenium import webdriver

from billing_dq.serving.app import application
from billing_dq.serving.server import serving
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS
from tests.support.chromium import chromium, ready

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1400, "height": 860}  # pixels


def main() -> None:
    """Draw every picture anew."""
    os.environ.setdefault("BILLING_DQ_CONFIG", str(ROOT / ".billing_dq" / "demo" / "billing_dq.toml"))
    settings = load_settings()
    lake = Lake(settings.home)
    night, stored = lake.choose(FINDINGS, None)
    findings = stored.frame()
    meter = findings[(findings["kind"] == "meter_extras_divergence") & (findings["severity"] == "error")]
    worst = meter.sort_values("units", key=abs).iloc[-1]
    PICTURES.mkdir(exist_ok=True)
    with chromium() as driver, serving(application(settings), 0) as address:
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**SIZE, "deviceScaleFactor": 1, "mobile": False})
        driver.get(f"{address}nights/{night}")
        ready(driver)
        _keep(driver, "report")
        driver.get(f"{address}findings/{worst['finding_id']}")
        _keep(driver, "finding")
        driver.get(f"{address}organizations/{worst['organization_id']}")
        _keep(driver, "organization")


def _keep(driver: webdriver.Chrome, name: str) -> None:
    """Save what the window shows."""
    (PICTURES / f"{name}.png").write_bytes(driver.get_screenshot_as_png())


if __name__ == "__main__":
    main()
