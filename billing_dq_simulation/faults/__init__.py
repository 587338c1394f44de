"""What can break, planted one at a time, each with the label that a night must find."""
