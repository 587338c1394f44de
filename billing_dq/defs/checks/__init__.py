"""The asset checks: our own and those of Great Expectations."""
