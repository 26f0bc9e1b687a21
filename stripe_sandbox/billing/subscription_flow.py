"""What happens to a subscription: its trial, its periods, its end.

    trialing -> active -> past_due      an invoice was not paid
        |          |
        v          v
     paused     canceled                a trial can also end canceled

A period is billed in advance, when it starts; everything happens on the clock.
"""

import calendar
from datetime import UTC, datetime, timedelta

from stripe_sandbox.billing import invoices
from stripe_sandbox.call import Call
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

DAY_S = 24 * 3600
TRIAL_WARNING_S = 3 * DAY_S


def begin(call: Call, subscription: StripeObject) -> None:
    """The first period: a free one while a trial lasts, else one that is paid for now."""
    if subscription["trial_end"] is None:
        _bill_period(call, subscription, "subscription_create", unpaid="incomplete")
        call.emit("customer.subscription.created", subscription)
        return
    subscription["status"] = "trialing"
    _set_period(subscription, call.now, subscription["trial_end"])
    invoice = invoices.bill(call, subscription, [], "subscription_create")
    subscription["latest_invoice"] = invoice["id"]
    call.emit("customer.subscription.created", subscription)
    lasts_s = subscription["trial_end"] - call.now
    warning_s = max(0, lasts_s - TRIAL_WARNING_S)
    call.schedule(warning_s, "trial_will_end", subscription=subscription["id"])
    call.schedule(
        lasts_s,
        "trial_ends",
        subscription=subscription["id"],
        trial_end=subscription["trial_end"],
    )


@registry.task("trial_will_end")
def trial_will_end(call: Call, subscription: str) -> None:
    """Three days before the end of a trial, or at once where it is shorter."""
    warned = call.require("subscription", subscription)
    if warned["status"] == "trialing":
        call.emit("customer.subscription.trial_will_end", warned)


@registry.task("trial_ends")
def trial_ends(call: Call, subscription: str, trial_end: int) -> None:
    """End the trial, unless its end was moved."""
    ending = call.require("subscription", subscription)
    if ending["status"] == "trialing" and ending["trial_end"] == trial_end:
        end_trial(call, ending)


def end_trial(call: Call, subscription: StripeObject) -> None:
    """Bill the customer, or without a payment method do what `missing_payment_method` says."""
    before = private_copy(subscription)
    subscription["trial_end"] = call.now
    customer = call.require("customer", subscription["customer"])
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if invoices.default_payment_method(call, customer) is None and behavior != "create_invoice":
        if behavior == "cancel":
            cancel(call, subscription)
            return
        subscription["status"] = "paused"
        call.emit("customer.subscription.paused", subscription, before=before)
    else:
        _bill_period(call, subscription, "subscription_cycle", unpaid="past_due")
    call.emit("customer.subscription.updated", subscription, before=before)


@registry.task("period_ends")
def period_ends(call: Call, subscription: str) -> None:
    """The next period begins, and is billed."""
    renewed = call.require("subscription", subscription)
    if renewed["status"] not in ("active", "past_due"):
        return
    before = private_copy(renewed)
    _bill_period(call, renewed, "subscription_cycle", unpaid="past_due")
    call.emit("customer.subscription.updated", renewed, before=before)


def cancel(call: Call, subscription: StripeObject) -> None:
    """Cancel at once, without a refund."""
    subscription |= {"status": "canceled", "canceled_at": call.now, "ended_at": call.now}
    call.emit("customer.subscription.deleted", subscription)


def _bill_period(call: Call, subscription: StripeObject, reason: str, *, unpaid: str) -> None:
    items = subscription["items"]["data"]
    recurring = items[0]["price"]["recurring"]
    end = _later(call.now, recurring["interval"], recurring["interval_count"])
    _set_period(subscription, call.now, end)
    invoice = invoices.bill(call, subscription, items, reason)
    subscription["latest_invoice"] = invoice["id"]
    subscription["status"] = "active" if invoice["status"] == "paid" else unpaid
    call.schedule(end - call.now, "period_ends", subscription=subscription["id"])


def _set_period(subscription: StripeObject, start: int, end: int) -> None:
    for item in subscription["items"]["data"]:
        item |= {"current_period_start": start, "current_period_end": end}


def _later(instant: int, interval: str, count: int) -> int:
    """The end of a period in Unix seconds; months end on their last day where they are short."""
    start = datetime.fromtimestamp(instant, UTC)
    if interval in ("day", "week"):
        days = count * (7 if interval == "week" else 1)
        return int((start + timedelta(days=days)).timestamp())
    months = start.month - 1 + count * (12 if interval == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())
