"""Disputes between the payer and the payee."""
