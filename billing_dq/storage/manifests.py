"""The manifest of a night: `<home>/lake/manifests/<night>.json`, written last. It says which code, rules and settings
made the night, what went in and came out, and the SHA-256 of every file: anybody can prove that nothing changed.
"""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.storage import unfinished
from billing_dq.storage.lake import Lake
from billing_dq.storage.placing import put_text, remove_halves
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.storage.seal_tree import seal_root
from billing_dq.tables import LEDGER_SEALS, TABLES

_SUFFIXES = (".parquet", ".json", ".html", ".md")
_DIRECTORY = "manifests"
#: What is in the lake and not of one night's making.
_APART = frozenset({_DIRECTORY, "unfinished", "evidence_removed"})
_USER_IN_ADDRESS = re.compile(r"(://)[^/@\s]*@")
_PACKAGE = Path(__file__).parents[1]


class StoredFile(BaseModel):
    """A file of a night: its size in bytes and the SHA-256 of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bytes: int
    sha256: str


class NightManifest(BaseModel):
    """A whole night. The same evidence, code and settings give the same manifest.

    Attributes:
        state: `incomplete`: MongoDB was not read to its end.
        code_version: of billing_dq.
        rule_versions: by package of rules, the SHA-256 of its source.
        settings: every knob, without the secrets.
        documents: of MongoDB, by collection: counted, read, quarantined, out_of_scope.
        stripe: whether Stripe was read, and how many requests it took, by resource.
        rows: by table.
        seal_root: the root of all seals of the night's ledgers (`seal_tree`); None: an older version sealed none.
        files: by path below `<home>/lake`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = 1
    night: str
    state: Literal["complete", "incomplete"]
    code_version: str
    rule_versions: dict[str, str]
    settings: dict[str, JsonValue]
    documents: dict[str, dict[str, int]]
    stripe: dict[str, JsonValue]
    rows: dict[str, int]
    files: dict[str, StoredFile]
    seal_root: str | None = None

    @classmethod
    def of(cls, lake: Lake, night: str) -> "NightManifest | None":
        """The manifest of a night; None where an older version stored it, or it is not whole.

        Raises:
            SourceError: the file there is no manifest any more.
        """
        path = manifest_path(lake, night)
        try:
            return cls.model_validate_json(path.read_bytes()) if path.exists() else None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]["msg"]
            raise SourceError(f"the manifest {path} is damaged: {first}; restore it from a backup") from None


def manifest_path(lake: Lake, night: str) -> UPath:
    """Where the manifest of a night is, or will be."""
    return lake.root / _DIRECTORY / f"{night}.json"


def manifests(lake: Lake) -> list[str]:
    """The nights that have a manifest, oldest first; one of them may be hidden again."""
    directory = lake.root / _DIRECTORY
    return sorted(path.stem for path in directory.iterdir() if path.suffix == ".json") if directory.exists() else []


def finish(lake: Lake, night: str, settings: Settings) -> NightManifest:
    """Write the manifest of a night whose tables are all there, and show the night to readers.

    Raises:
        SourceError: a record of the night is not there.
        PlaceError: the manifest cannot be written.
        OSError: a file cannot be read.
    """
    snapshot = SnapshotFactsRecord.require(lake.home, night)
    stripe = StripeReadingRecord.require(lake.home, night)
    tables = {name: lake.stored(table, night) for name, table in TABLES.items()}
    seals = tables[LEDGER_SEALS.name]
    manifest = NightManifest(
        night=night,
        state="incomplete" if snapshot.incomplete_because else "complete",
        code_version=version("billing-dq"),
        rule_versions=rule_versions(),
        settings=without_secrets(settings),
        documents={name: counts.model_dump() for name, counts in snapshot.counts.items()},
        stripe={"state": stripe.state, "requests": dict(stripe.requests)},
        rows={name: table.rows for name, table in tables.items() if table is not None},
        files={name: stored_file(path) for name, path in _paths(lake.root, night).items()},
        seal_root=None if seals is None else seal_root(seals.frame()),
    )
    _write(lake, manifest)
    unfinished.unmark(lake.root, night)
    remove_halves(lake.root, night)
    return manifest


def show_again(lake: Lake, night: str, path: UPath) -> None:
    """Show a night to readers that was whole until one of its files was replaced, with a manifest that says so."""
    manifest = NightManifest.of(lake, night)
    if manifest is not None:
        table = TABLES.get(path.parent.name)
        stored = None if table is None else lake.stored(table, night)
        rows = {} if stored is None else {stored.table.name: stored.rows}
        files = {_below(lake.root, path): stored_file(path)}
        _write(lake, manifest.model_copy(update={"rows": manifest.rows | rows, "files": manifest.files | files}))
    unfinished.unmark(lake.root, night)


def add_files(lake: Lake, night: str, *paths: UPath) -> None:
    """Add files that are written after the night is whole, such as its page, to the manifest."""
    manifest = NightManifest.of(lake, night)
    if manifest is not None:
        files = {_below(lake.root, path): stored_file(path) for path in paths}
        _write(lake, manifest.model_copy(update={"files": manifest.files | files}))


def differences(lake: Lake, manifest: NightManifest, removed: frozenset[str] = frozenset()) -> list[str]:
    """What of a night is not as its manifest says, a sentence each; ``removed`` are tables that retention removed."""
    foreign = sorted(set(_paths(lake.root, manifest.night)) - set(manifest.files))
    sentences = [f"{name} is there, and the night did not store it" for name in foreign]
    for name, file in manifest.files.items():
        path = lake.root / name
        if not path.exists():
            if name.partition("/")[0] not in removed:
                sentences.append(f"{name} is gone")
        elif stored_file(path) != file:
            sentences.append(f"{name} is not the file that was stored")
    return sentences


def stored_file(path: UPath) -> StoredFile:
    """A file as it is now."""
    content, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            content.update(chunk)
            size += len(chunk)
    return StoredFile(bytes=size, sha256=content.hexdigest())


@cache
def rule_versions() -> dict[str, str]:
    """By package of `billing_dq.reconcile`, the SHA-256 of its source: another rule is another version."""
    versions: dict[str, str] = {}
    for package in sorted(path.parent for path in (_PACKAGE / "reconcile").rglob("__init__.py")):
        content = hashlib.sha256()
        for path in sorted(package.glob("*.py")):
            content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        versions[".".join(package.relative_to(_PACKAGE).parts)] = content.hexdigest()
    return versions


def without_secrets(settings: Settings) -> dict[str, JsonValue]:
    """The settings as JSON. Secrets are excluded by their fields; users in addresses are starred, and so is every text
    in the configuration of an engine: any of them, however deep, may be a password.
    """
    values = settings.model_dump(mode="json")
    values["execution"]["config"] = _with_texts(values["execution"]["config"], lambda text: "***")
    return {
        name: _with_texts(value, lambda text: _USER_IN_ADDRESS.sub(r"\1***@", text)) for name, value in values.items()
    }


def _with_texts(value: JsonValue, replaced: Callable[[str], str]) -> JsonValue:
    if isinstance(value, dict):
        return {key: _with_texts(nested, replaced) for key, nested in value.items()}
    if isinstance(value, list):
        return [_with_texts(nested, replaced) for nested in value]
    return replaced(value) if isinstance(value, str) else value


def _paths(root: UPath, night: str) -> dict[str, UPath]:
    directories = sorted(path for path in root.iterdir() if path.is_dir() and path.name not in _APART)
    paths = [directory / f"{night}{suffix}" for directory in directories for suffix in _SUFFIXES]
    return {_below(root, path): path for path in paths if path.exists()}


def _below(root: UPath, path: UPath) -> str:
    return path.relative_to(root).as_posix()


def _write(lake: Lake, manifest: NightManifest) -> None:
    put_text(manifest.model_dump_json(indent=1), manifest_path(lake, manifest.night))
