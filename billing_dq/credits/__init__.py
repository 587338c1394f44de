"""The one correction: the credit of a reinstated dispute.

`plan` is the pure rule. The rest reads the world again, asks for approval, writes once, and keeps the audit.
Nothing else in the package writes to MongoDB.
"""
