"""The words of the domain, each said in one place: kinds of findings, references, statuses, and what people call them.

No rule belongs here, and no table.
"""
