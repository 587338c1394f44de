"""RUNBOOKS.md for people who look at findings: its sections as HTML, and what it says to do about one finding."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token


@dataclass(frozen=True)
class Section:
    """A section of the runbook: its anchor, with the prefix; its title; HTML that is safe as it is."""

    anchor: str
    title: str
    html: str


@dataclass(frozen=True)
class Remedy:
    """What the runbook says of a finding's kind and cause, as Markdown; empty where it says nothing.

    Attributes:
        anchor: of the section, without prefix.
    """

    anchor: str
    title: str
    meaning: str = ""
    how_sure: str = ""
    do: str = ""
    done_when: str = ""


_PART = re.compile(r"^\*\*(What it means|How sure it is|Look at|Do|Done when)\.\*\*", re.MULTILINE)
_TABLE = re.compile(r"\n+\|.*", re.DOTALL)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def runbook_text() -> str:
    """RUNBOOKS.md, as it came with the package; from the checkout where the package is used in place."""
    shipped = resources.files("billing_dq.report") / "RUNBOOKS.md"
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    return (Path(__file__).parents[2] / "RUNBOOKS.md").read_text(encoding="utf-8")


@lru_cache(maxsize=1_000)
def remedy(markdown: str, kind: str, cause: str | None) -> Remedy:
    """What to do about a finding: of the cause's own rule or line of a table, where its section has one.

    Args:
        markdown: RUNBOOKS.md.
        kind: of the finding.
        cause: of the finding.
    """
    anchor = kind.replace("_", "-")
    bodies = {_anchor(title): (title, body) for title, body in _split(markdown, "## ")}
    title, body = bodies.get(anchor, (kind.replace("_", " "), ""))
    for rule_title, rule in _split(body, "### "):
        if cause is not None and rule_title == f"Rule: {cause}":
            anchor, title, body = _anchor(rule_title), f"{title}: {cause.replace('_', ' ')}", rule
    pieces = _PART.split(body)
    parts = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    line = _line_of(body, cause) if cause else {}
    meaning, do, done_when = (
        _TABLE.sub("", parts.get(name, "")).strip() for name in ("What it means", "Do", "Done when")
    )
    return Remedy(
        anchor=anchor,
        title=title,
        meaning=line.get("what happened") or line.get("means") or meaning,
        how_sure=parts.get("How sure it is", "").strip(),
        do=line.get("do") or do,
        done_when=line.get("done when") or done_when,
    )


def as_html(markdown: str, runbook: str) -> str:
    """A part of the runbook as HTML that is safe as it is.

    Args:
        markdown: the part.
        runbook: what stands before an anchor in the address of a section.
    """
    renderer = MarkdownIt("commonmark", {"html": False})
    tokens = renderer.parse(markdown)
    for token in tokens:
        _lead_links_to(token.children or [], runbook)
    return renderer.renderer.render(tokens, renderer.options, {})


def as_text(markdown: str) -> str:
    """A part of the runbook on one line, without the signs of Markdown but the quotes of code."""
    return " ".join(_LINK.sub(r"\1", markdown).replace("**", "").split())


def sections(markdown: str, prefix: str = "") -> Iterator[Section]:
    """The sections of the runbook. Raw HTML in the text stays text.

    Args:
        markdown: RUNBOOKS.md.
        prefix: of every anchor and of every link within the runbook, where a page has other anchors too.
    """
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    for title, body in _split(markdown, "## "):
        tokens = renderer.parse(body)
        for place, token in enumerate(tokens):
            if token.type == "heading_open":
                token.attrSet("id", prefix + _anchor(tokens[place + 1].content))
            _lead_links_to(token.children or [], f"#{prefix}")
        html = renderer.renderer.render(tokens, renderer.options, {})
        yield Section(prefix + _anchor(title), title, html)


def _split(markdown: str, heading: str) -> Iterator[tuple[str, str]]:
    """The title and the text of each section under headings of one level."""
    for section in re.split(f"^{heading}", markdown, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        yield title.strip(), body


def _line_of(body: str, cause: str) -> dict[str, str]:
    """The line about a cause in a table of the section, by the headings of its columns."""
    headings: list[str] = []
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        headings = headings or cells
        if cells and f"`{cause}`" in cells[0]:
            return dict(zip(headings, cells, strict=False))
        headings = headings if cells else []
    return {}


def _lead_links_to(tokens: list[Token], runbook: str) -> None:
    for token in tokens:
        href = str(token.attrGet("href") or "")
        if href.startswith("#"):
            token.attrSet("href", runbook + href.removeprefix("#"))


def _anchor(title: str) -> str:
    """The anchor that a forge gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
