"""Walks raw BSON: the contract of a document, columns from bytes, and what is wrong with a document, field by field.

No query and no connection belongs here.
"""
