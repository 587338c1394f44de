"""Every citation leads somewhere: a page that exists and, where it names one in quotes, a heading of that page."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "billing_dq").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])

#: A page, and the headings in quotes that follow it: ``docs/domain.md, "Ledger" and "Existence"``.
_CITATION = re.compile(r'(?<![\w/])(docs/[\w-]+\.md)((?:(?:,| and| \()? "[^"\n]+"|,? \("[^"\n]+"\))*)')
#: The names that these pages had where no reader of the repository finds them.
_GONE = re.compile(r"(?<![\w/-])(?:DOMAIN|CAUSES|STRIPE|DESIGN)" + re.escape(".md"))
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE_PATH = re.compile(r"`((?:billing_dq|tests)/[\w./-]+)`")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def flowing(source: str) -> str:
    """A source without its line breaks and comment marks, so that a citation may go over two lines."""
    return re.sub(r"\s*\n\s*(?:#:? ?)?", " ", source)


def citations(path: Path) -> Iterator[tuple[str, str | None]]:
    """The pages that a source cites, each with every heading that it names there, or None."""
    for page, headings in _CITATION.findall(flowing(path.read_text(encoding="utf-8"))):
        yield from ((page, heading) for heading in re.findall(r'"([^"]+)"', headings) or [None])


@cache
def headings_of(page: Path) -> list[str]:
    """The headings of a page, without those inside of fences."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [heading.strip() for heading in re.findall(r"^#+ (.+)$", text, re.M)]


def anchor(heading: str) -> str:
    """The anchor that a forge gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def is_sound(page: str, heading: str | None) -> bool:
    return (ROOT / page).is_file() and (heading is None or heading in headings_of(ROOT / page))


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a link of a page leads to a file and a heading of it; an address outside always does."""
    if re.match(r"[a-z]+:", target):
        return True
    name, _, fragment = target.partition("#")
    file = page if not name else (page.parent / name).resolve()
    return file.exists() and (not fragment or fragment in map(anchor, headings_of(file)))


def test_a_cited_page_exists_and_has_the_heading() -> None:
    cited = {(named(path), *citation) for path in SOURCES for citation in citations(path)}
    assert [citation for citation in sorted(cited, key=str) if not is_sound(*citation[1:])] == []
    pages = {page for _, page, _ in cited}
    assert {"docs/domain.md", "docs/causes.md", "docs/stripe.md", "docs/tables.md", "docs/architecture.md"} <= pages


def test_no_page_is_cited_that_only_its_author_has() -> None:
    assert [named(path) for path in (*SOURCES, *PAGES) if _GONE.search(path.read_text(encoding="utf-8"))] == []


def test_a_link_or_a_path_in_a_page_leads_to_a_file_and_a_heading() -> None:
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    links = [(page, target) for page, text in texts.items() for target in _LINK.findall(text)]
    assert [(named(page), target) for page, target in links if not leads_somewhere(page, target)] == []
    paths = [(named(page), path) for page, text in texts.items() for path in _CODE_PATH.findall(text)]
    assert [(page, path) for page, path in paths if not (ROOT / path).exists()] == []


def test_the_module_map_names_every_folder() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = text.partition("## The module map")[2].partition("\n## ")[0]
    folders = {
        path.parent.name for path in SOURCES if path.name == "__init__.py" and path.parent != ROOT / "billing_dq"
    }
    assert {folder for folder in folders - {"sources"} if f"{folder}/" not in tree} == set()
