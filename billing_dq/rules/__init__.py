"""What the tables of a night are expected to be: from their contracts, and from the rules that analysts write."""
