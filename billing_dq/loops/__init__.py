"""Compiled loops that know nothing of billing: bytes as numbers, and texts as codes."""
