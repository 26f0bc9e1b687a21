"""Refunds, and what payees owe because of them."""
