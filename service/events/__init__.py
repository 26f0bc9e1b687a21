"""Stripe's events: one file an object, with its event types and what each one means.

An event is a hint about an object. What its payload says completely is taken from it; what it
cannot say (a fee, an account) is fetched from Stripe first. Either way it goes to the same
``observe_...`` as every other source, so duplicates, twins and any order end in the same books.
"""
