"""Why an escrow waits, where its money is, and who can do what."""
