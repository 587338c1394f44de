"""The account of every purchase of a pack: what money did at Stripe against what units did in all ledgers."""
