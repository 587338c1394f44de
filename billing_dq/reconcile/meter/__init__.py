"""The meter against the extras, per organization and week: the difference, and the evidence of why."""
