"""What the application does to its documents over the weeks of a simulated life."""
