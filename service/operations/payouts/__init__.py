"""Payouts from a payee's Stripe account to their bank."""
