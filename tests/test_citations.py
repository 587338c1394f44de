"""Every citation leads somewhere: a page that exists and, where it names one in quotes, a heading of that page."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from billing_dq.vocabulary.kinds import KINDS

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "billing_dq").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])

#: A page, and the headings in quotes that follow it: ``docs/domain.md, "Ledger" and "Existence"``.
_CITATION = re.compile(r'(?<![\w/])(docs/[\w-]+\.md)((?:(?:,| and| \()? "[^"\n]+"|,? \("[^"\n]+"\))*)')
#: The names that these pages had where no reader of the repository finds them.
_GONE = re.compile(r"(?<![\w/-])(?:DOMAIN|CAUSES|STRIPE|DESIGN)" + re.escape(".md"))
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_RULE_ROW = re.compile(r"^\| \[[^\]]+\]\(([\w-]+\.md)#([\w-]+)\)(.*) \| (.+) \|$", re.M)
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


class RuleRow(NamedTuple):
    """A row of the table of rules in docs/architecture.md; ``words`` are finding kinds and rules of ledgers."""

    page: str
    anchor: str
    words: frozenset[str]
    files: tuple[str, ...]


@cache
def rule_rows() -> list[RuleRow]:
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Where each rule is")[2]
    return [
        RuleRow(f"docs/{page}", fragment, words_of(words), tuple(re.findall(r"`([^`]+)`", files)))
        for page, fragment, words, files in _RULE_ROW.findall(table)
    ]


@cache
def rules_that_must_hold() -> dict[str, frozenset[str]]:
    """The finding kinds and the rules of ledgers that docs/domain.md names under each heading of "What must hold"."""
    text = (ROOT / "docs" / "domain.md").read_text(encoding="utf-8")
    parts = re.split(r"^### ", text.partition("## What must hold")[2].partition("\n## ")[0], flags=re.M)[1:]
    rules = words_of(" ".join(re.findall(r"^- (`.*?):", "".join(parts), re.M))) | KINDS.keys()
    return {part.partition("\n")[0]: words_of(part) & rules for part in parts}


def words_of(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"`(\w+)`", text))


def test_the_table_of_rules_has_each_rule_that_must_hold_and_no_row_twice() -> None:
    rows = rule_rows()
    assert len(set(rows)) == len(rows)
    for heading, rules in rules_that_must_hold().items():
        of_heading = [row for row in rows if (row.page, row.anchor) == ("docs/domain.md", anchor(heading))]
        assert of_heading, heading
        assert rules - frozenset[str]().union(*(row.words for row in of_heading)) == frozenset()


def test_the_file_of_a_rule_cites_its_heading_and_names_its_words() -> None:
    places = [(row, ROOT / file) for row in rule_rows() for file in row.files if file.endswith(".py")]
    cited = {file: {(page, anchor(heading or "")) for page, heading in citations(file)} for _, file in places}
    assert [(row.anchor, named(file)) for row, file in places if (row.page, row.anchor) not in cited[file]] == []
    texts = {row: "".join((ROOT / file).read_text(encoding="utf-8") for file in row.files) for row, _ in places}
    assert [(row.files, word) for row, text in texts.items() for word in row.words if word not in text] == []


def test_a_module_that_begins_with_a_rule_that_must_hold_is_in_the_table() -> None:
    listed = {(row.anchor, file) for row in rule_rows() for file in row.files}
    for path in (ROOT / "billing_dq" / "reconcile").rglob("*.py"):
        begin = flowing(path.read_text(encoding="utf-8").split('"""')[1])
        headings = {heading for _, names in _CITATION.findall(begin) for heading in re.findall(r'"([^"]+)"', names)}
        for heading in headings & rules_that_must_hold().keys():
            assert (anchor(heading), named(path)) in listed
