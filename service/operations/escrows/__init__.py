"""Escrows: created, delivered, accepted, released, canceled."""
