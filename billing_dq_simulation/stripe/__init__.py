"""Stripe's side of a simulated life: objects and how they change."""
