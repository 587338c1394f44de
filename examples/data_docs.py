"""Great Expectations' own pages about a stored night: python examples/data_docs.py HOME NIGHT [DIRECTORY].

Its pages show text as it is, also text that a database holds; so a sign that could begin a tag is written as one that
cannot. Opened with a network, the pages ask hosts of others for fonts and styles.
"""

import sys
from pathlib import Path

import great_expectations as gx
from great_expectations.core import RunIdentifier, expectationSuiteValidationResultSchema
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)

home, night, directory = (*sys.argv[1:], "great_expectations_pages")[:3]
context = gx.get_context(mode="file", project_root_dir=directory)
for path in sorted(Path(home, "lake", "validations", night).glob("*.json")):
    result = expectationSuiteValidationResultSchema.loads(path.read_text(encoding="utf-8").replace("<", "&lt;"))
    suite, run = ExpectationSuiteIdentifier(result.suite_name), RunIdentifier(**result.meta["run_id"])
    context.validation_results_store.set(ValidationResultIdentifier(suite, run, night), result)
print(*context.build_data_docs().values())
