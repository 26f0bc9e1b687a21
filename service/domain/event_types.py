"""The types of events that are no method of the contract: what workers do, what Stripe tells."""

from __future__ import annotations

from collections.abc import Mapping

OF_WORKERS: Mapping[str, str] = {
    # What Stripe says.
    "apply_stripe_event": "What an event of Stripe tells was taken over: a payment succeeded, an"
    " account was onboarded, a dispute was opened.",
    "ignore_stripe_event": "An event of Stripe is about nothing of ours, or tells nothing new.",
    "read_payment": "A payment was read at Stripe because somebody asked, and was further than was"
    " known here.",
    "refresh_account": "A payee's account was read at Stripe, and has changed.",
    "restore_row": "A balance transaction that was booked, and whose row was lost, has its row"
    " again.",
    "book_balance_transaction": "The sweep booked what moved at Stripe.",
    # Calls to Stripe.
    "renew_effect": "A call to Stripe was rejected, and is made again in another way.",
    "request_transfer": "A released amount that waited is sent to its payee.",
    "recover_receivable": "What a payee owes is called back, or was.",
    # Time.
    "expire_escrow": "Milestones that nobody paid in time are over.",
    "miss_delivery": "A milestone was not delivered by its due date: what the policy says is done.",
    "release_after_inspection": "The payer did not answer a delivery in time: it is released.",
    "end_unanswered": "What one party proposed was not answered in time, and is over.",
    "end_undecided": "Nobody moved a dispute of the parties on: it goes to mediation, or ends"
    " as the policy says.",
    "warn_of_hold_limit": "Stripe lets nobody hold this money much longer.",
    "warn_of_evidence": "Stripe soon takes no more evidence against a chargeback.",
    # Operators.
    "plan_approval": "Something was asked for that a second person has to approve.",
    "discard_closings": "An operator opened the books again after a clock had been ahead.",
}
"""By the name of the operation, what happened."""

ALSO_OF_WORKERS: Mapping[str, str] = {
    "settle_effect": "Stripe has answered a call, whichever it was, and what the answer moves has"
    " moved: a refund REQUESTED -> SUCCEEDED, a release IN_FLIGHT -> TRANSFERRED.",
}
"""Those that are a method's as well, with Stripe as the actor."""
