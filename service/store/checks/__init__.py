"""What ``escrow verify`` asks of the database: one file per family of checks."""
