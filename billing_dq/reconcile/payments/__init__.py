"""What customers paid at Stripe for packs, and got back, against the entries that the ledgers hold for it."""
