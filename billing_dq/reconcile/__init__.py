"""The rules: frames in, frames out. No input or output, no clock, no Dagster, no pymongo, no stripe.

`night` composes them; each folder holds the rules of one subject.
"""
