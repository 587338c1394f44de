"""What stands behind one finding, from the tables of a stored night: for its page, the terminal and programs alike."""
