"""The definitions as a component, for a project that declares its own in YAML.

Not here: what the definitions are (`composition`).
"""

import dagster as dg

from billing_dq.composition import build_defs


class BillingDq(dg.Component, dg.Model, dg.Resolvable):
    """The nights of billing_dq. Their settings are read as the commands read them: they hold secrets, which are no part
    of a `defs.yaml`.
    """

    key_prefix: str = "billing_dq"
    """Stands before every asset's key, and before every name of a group, job, schedule and sensor."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions under the prefix."""
        return build_defs(key_prefix=self.key_prefix)
