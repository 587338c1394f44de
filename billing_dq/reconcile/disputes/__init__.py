"""Disputes: the money that moved at Stripe, the units that moved here, and what is due."""
