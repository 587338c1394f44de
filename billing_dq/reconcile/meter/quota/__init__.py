"""Which quota may have been in force in a week, what attests it, and what it allows."""
