"""The words of the domain, each said in one place: kinds of findings, references, statuses.

No rule belongs here, and no table.
"""
