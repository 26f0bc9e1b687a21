"""Stripe's balance transactions: what each one means for the books, by its type and its source.

A movement that we caused was booked by the operation that caused it. Every other one is booked
here, in this order: Stripe's own doings, then what another product in the same Stripe account did,
then what touches an object of ours, which is frozen, and last what nobody can explain.
"""
