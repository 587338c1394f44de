"""What `billing-dq serve` shows of the stored nights in a browser: read only, on this machine only."""
