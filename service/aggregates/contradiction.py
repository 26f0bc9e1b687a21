"""What stops an operation on what Stripe shows: it disagrees with the books, or is not ours."""

from __future__ import annotations


class Contradiction(Exception):
    """What Stripe shows does not fit what we know; nothing is booked until a person has looked."""


class NotOurs(Exception):
    """It is about an object that another product made in the same Stripe account."""
