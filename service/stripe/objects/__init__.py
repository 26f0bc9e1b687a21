"""Stripe's objects, parsed into what we have to know of them: one file an object, no I/O.

Everything is checked: what does not look as Stripe documents it is Unreadable, never guessed.
"""
