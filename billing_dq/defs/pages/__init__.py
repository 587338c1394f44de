"""What Dagster's pages show of an asset: texts, columns, figures, rows, links.

No asset is made here, no source is read, and nothing is judged.
"""
