"""Reads the application's database: one snapshot, every table of a night, and what could not be read."""
