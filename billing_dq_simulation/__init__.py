"""A company that behaves as the application does, with labelled faults: the independent proof.

It keeps its own vocabulary and imports no rule, so that a mistake in a rule is not repeated here.
"""
