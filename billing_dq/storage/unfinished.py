"""Which nights are being written: a mark at `<home>/lake/unfinished/<night>.json`, put before a night's first file and
taken away when its manifest is there. Who reads the nights passes over one with a mark.

Nights that older versions stored have neither mark nor manifest, and are taken as they are. A killed run leaves its
mark: its night is not seen until it is concluded. A night that somebody left out has a mark that says so.
"""

from upath import UPath

from billing_dq.storage.placing import put_text

_DIRECTORY = "unfinished"
_LEFT_OUT = '{"left_out": true}'


def mark(root: UPath, night: str) -> None:
    """Say that a night is being written; again and again, if need be."""
    path = _path(root, night)
    if not path.exists():
        put_text("", path)


def unmark(root: UPath, night: str) -> None:
    """Say that all of a night is there."""
    _path(root, night).unlink(missing_ok=True)


def is_unfinished(root: UPath, night: str) -> bool:
    """Whether a night is being written, or was left half-written."""
    return _path(root, night).exists()


def unfinished(root: UPath) -> set[str]:
    """All such nights."""
    directory = root / _DIRECTORY
    return {path.stem for path in directory.iterdir() if path.suffix == ".json"} if directory.exists() else set()


def leave_out(root: UPath, night: str) -> None:
    """Hide a night knowingly: the nights after it do not wait for it."""
    put_text(_LEFT_OUT, _path(root, night))


def left_out(root: UPath) -> set[str]:
    """All nights that somebody left out."""
    return {night for night in unfinished(root) if _path(root, night).read_text(encoding="utf-8") == _LEFT_OUT}


def _path(root: UPath, night: str) -> UPath:
    return root / _DIRECTORY / f"{night}.json"
