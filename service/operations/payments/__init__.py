"""Payments: how an escrow is funded."""
