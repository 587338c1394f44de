"""RUNBOOKS.md for the pages: its sections as HTML, each under the anchor that the findings name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
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


def runbook_text() -> str:
    """RUNBOOKS.md, as it came with the package; from the checkout where the package is used in place."""
    shipped = resources.files("billing_dq.report") / "RUNBOOKS.md"
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    return (Path(__file__).parents[2] / "RUNBOOKS.md").read_text(encoding="utf-8")


def sections(markdown: str, prefix: str = "") -> Iterator[Section]:
    """The sections of the runbook. Raw HTML in the text stays text.

    Args:
        markdown: RUNBOOKS.md.
        prefix: of every anchor and of every link within the runbook, where a page has other anchors too.
    """
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    for section in re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        tokens = renderer.parse(body)
        for place, token in enumerate(tokens):
            if token.type == "heading_open":
                token.attrSet("id", prefix + _anchor(tokens[place + 1].content))
            _prefix_links(token.children or [], prefix)
        html = renderer.renderer.render(tokens, renderer.options, {})
        yield Section(prefix + _anchor(title), title.strip(), html)


def _prefix_links(tokens: list[Token], prefix: str) -> None:
    for token in tokens:
        href = str(token.attrGet("href") or "")
        if href.startswith("#"):
            token.attrSet("href", f"#{prefix}{href.removeprefix('#')}")


def _anchor(title: str) -> str:
    """The anchor that a forge gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
