"""Great Expectations' own pages about the tables of a night, made on demand.

The library is imported when the pages are made (it costs seconds). Of a large table the first rows are validated, which
its batch is named for; the checks of the night validate all of them.
"""

import html
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from billing_dq.errors import SourceError
from billing_dq.rules.expectation import Clause

#: Rows of a table that are validated for the pages.
MOST_ROWS = 50_000
_SITE = "billing_dq"
#: Says that a directory was written here, and may be replaced.
_MARK = ".written_by_billing_dq"


@dataclass(frozen=True)
class Suite:
    """What is expected of a table, and its rows by batch."""

    table: str
    expected: Sequence[Clause]
    batches: Callable[[], Iterator[pd.DataFrame]]
    rows: int


def build_data_docs(suites: Sequence[Suite], night: str, directory: Path) -> Path:
    """Validate the tables and write the pages; the path of the first page. Earlier pages are replaced when all stand.

    Raises:
        SourceError: the directory holds anything but such pages, or cannot be written.
    """
    if directory.exists() and any(directory.iterdir()) and not (directory / _MARK).exists():
        raise SourceError(f"{directory} holds something else than these pages; name an empty or a new directory")
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="billing_dq_docs_") as project:
        warnings.simplefilter("ignore")  # the library's own, about what it imports and calls
        pages = Path(project) / "pages"
        _build(suites, night, Path(project), pages)
        (pages / _MARK).touch()
        try:
            shutil.rmtree(directory, ignore_errors=True)
            shutil.copytree(pages, directory)
        except OSError as error:
            raise SourceError(f"{directory} cannot be written: {error.strerror or error}") from None
    return directory / "index.html"


def _build(suites: Sequence[Suite], night: str, project: Path, pages: Path) -> None:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations import expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="file", project_root_dir=project)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for name in list(context.list_data_docs_sites()):
        context.delete_data_docs_site(name)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(pages)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site = {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": store}
    context.add_data_docs_site(site_name=_SITE, site_config=site)  # pyright: ignore[reportArgumentType]
    source = context.data_sources.add_pandas(f"night_{night}")
    for one in suites:
        part = "all rows" if one.rows <= MOST_ROWS else f"the first rows of {one.rows:,}"
        whole = source.add_dataframe_asset(one.table).add_batch_definition_whole_dataframe(part)
        suite = context.suites.add(gx.ExpectationSuite(name=one.table))
        for expected in one.expected:
            suite.add_expectation(getattr(gxe, _class_name(expected))(**expected.arguments))
        validation = gx.ValidationDefinition(name=one.table, data=whole, suite=suite)
        context.validation_definitions.add(validation).run(
            batch_parameters={"dataframe": _first_rows(one)}, result_format="SUMMARY"
        )
    context.build_data_docs(site_names=[_SITE])


def _class_name(clause: Clause) -> str:
    return "".join(part.title() for part in clause.kind.split("_"))


def _first_rows(suite: Suite) -> pd.DataFrame:
    held: list[pd.DataFrame] = []
    for batch in suite.batches():
        held.append(batch)
        if sum(map(len, held)) >= MOST_ROWS:
            break
    frame = pd.concat(held, ignore_index=True).head(MOST_ROWS)
    # Text as objects: Arrow-backed text is several times slower there. The pages show it as it is, as a part of their
    # own HTML, and a database may hold a script: no text that any expectation allows has a sign that is escaped here.
    text = [str(name) for name, dtype in frame.dtypes.items() if dtype == "str"]
    return frame.assign(**{name: frame[name].astype(object).map(html.escape, na_action="ignore") for name in text})
