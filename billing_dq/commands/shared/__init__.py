"""What several commands share: the console, signals that stop a run, the summary of a night."""
