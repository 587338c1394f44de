"""Nights as a version of billing_dq stored them, kept as test data: `tests/data/nights/<version>/lake.tar.gz`.

    python -m tests.faults.stored_versions        # writes those of this version, before it is released

Two nights of the company 0 of `tests.faults.company` (the nights 1 and 2), through `run_night`. The pages of the nights
are left out: they are large, and written anew from the tables. `company.json.gz` beside them has what the night after
reads, and the findings as they were: the simulated company and the rules go on changing.
"""

import gzip
import logging
import tarfile
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import dagster as dg
from bson import json_util

from billing_dq.runner import run_night, stored_night
from tests.faults import company
from tests.faults.night_faults import no_trouble, surroundings

NIGHTS = Path(__file__).parents[1] / "data" / "nights"
COMPANY = 0
STORED = (1, 2)


def versions() -> list[str]:
    """The versions whose nights are kept."""
    return sorted(path.name for path in NIGHTS.iterdir() if path.is_dir())


def unpack(kept: str, home: Path) -> None:
    """Put the nights of a version into a home."""
    with tarfile.open(NIGHTS / kept / "lake.tar.gz") as archive:
        archive.extractall(home, filter="data")


def company_of(kept: str) -> dict:
    """``documents`` and ``objects`` of the next night, and the ids of the open ``findings`` of each stored one."""
    return json_util.loads(gzip.decompress((NIGHTS / kept / "company.json.gz").read_bytes()))


def write(directory: Path) -> Path:
    """Take the nights with the code as it is, and pack them."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name, dg.DagsterInstance.ephemeral() as instance:
        home = Path(name).resolve()
        settings = company.settings_of(COMPANY, str(home))
        for night in STORED:
            with surroundings(COMPANY, night, 0, no_trouble(), home):
                run_night(settings, instance)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "lake.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for file in sorted((home / "lake").rglob("*")):
                if file.is_file() and file.parent.name != "report":
                    archive.add(file, str(file.relative_to(home)))
        findings = {
            date: sorted(stored_night(settings, date).open_findings["finding_id"])
            for date in (company.as_of(night).date().isoformat() for night in STORED)
        }
    after = STORED[-1] + 1
    told = {
        "documents": company.documents_of(COMPANY, after),
        "objects": company.objects_of(COMPANY, after),
        "findings": findings,
    }
    (directory / "company.json.gz").write_bytes(gzip.compress(json_util.dumps(told).encode(), mtime=0))
    return path


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    written = write(NIGHTS / version("billing-dq"))
    print(f"{written}: {written.stat().st_size:,} bytes")
