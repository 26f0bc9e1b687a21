"""Calls to Stripe that must happen exactly once: one file a kind, with its whole life.

A kind's file has what is planned, the request as Stripe takes it, how it is sent, how it is found
when its answer was lost, and what its success and its rejection mean. ``table.py`` lists the kinds;
``perform.py`` and ``settle.py`` know none of them by name.
"""
