"""What happens in a tenant, in the one order of its sequence."""
