"""Chargebacks, read by operators. What Stripe says of them is written by events and movements."""
