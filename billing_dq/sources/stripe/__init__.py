"""Reads Stripe: lists within a request budget, objects checked once, rows of the tables."""
