"""Who calls: how a client proves it, what its role permits, and for whom it may act."""
