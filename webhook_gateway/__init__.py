"""Receives Stripe's webhooks.

The signature is checked on the raw bytes, one RPC hands the event to the service, and Stripe gets
2xx only when the service has stored it.
"""
