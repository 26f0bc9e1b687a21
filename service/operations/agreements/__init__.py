"""Agreements: what takes both parties of an escrow, asked by one and answered by the other."""
