"""Invoices and subscriptions, as far as Stripe's CLI needs them."""
