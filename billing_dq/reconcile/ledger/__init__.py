"""What must hold for a ledger and its balance: sums, references, signs, expiry, settlements, size."""
