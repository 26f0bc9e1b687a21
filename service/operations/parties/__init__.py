"""Payers and payees."""
