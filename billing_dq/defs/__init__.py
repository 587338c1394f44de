"""The Dagster layer: assets, checks, jobs, schedules, sensors, resources. No rule belongs here: an asset asks a
source, calls `reconcile` and attaches metadata.
"""
