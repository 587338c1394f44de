"""Subscriptions here against subscriptions at Stripe, and the markers that webhooks leave."""
