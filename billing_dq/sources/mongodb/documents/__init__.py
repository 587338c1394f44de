"""The documents of each collection as tables: usage, balances and their entries."""
