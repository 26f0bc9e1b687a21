"""What stops an operation when Stripe and the books disagree."""

from __future__ import annotations


class Contradiction(Exception):
    """What Stripe shows does not fit what we know; nothing is booked until a person has looked."""
