"""The story of ``make run``: two escrows from a card to a bank, played over gRPC and HTTP."""
