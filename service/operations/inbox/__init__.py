"""Stripe's events, stored once."""
