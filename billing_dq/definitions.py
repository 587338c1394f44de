"""Our own code location: `defs`, made of the settings when it is imported. It loads without a database.

Not here: what the definitions are made of (`composition`).
"""

import dagster as dg

from billing_dq.composition import build_definitions
from billing_dq.defs.jobs import Part, part_of
from billing_dq.settings import load_settings


def job_of_night(name: str, night: str, part: Part) -> dg.JobDefinition:
    """A job as every process that runs steps of it makes it anew, from its own settings."""
    job = defs.resolve_job_def(name)
    if job.partitions_def is not None and night not in job.partitions_def.get_partition_keys():
        job = build_definitions(load_settings(), settings_now=load_settings, night=night).resolve_job_def(name)
    return part_of(job, part)


defs = build_definitions(load_settings(), settings_now=load_settings)
