"""The policies of a tenant: what it charges, by version."""
