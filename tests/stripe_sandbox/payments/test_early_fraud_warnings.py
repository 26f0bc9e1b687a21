"""Banks warn of fraud: before a dispute, and sometimes after it."""

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running, charge_in


async def test_a_card_whose_bank_warns_of_fraud(running: Running) -> None:
    charge = await charge_in(running, "usd", 10_000, "pm_card_createIssuerFraudRecord")
    warnings = running.client.v1.radar.early_fraud_warnings
    [warning] = (await warnings.list_async({"payment_intent": charge.payment_intent})).data
    assert (warning.charge, warning.actionable) == (charge.id, True)
    await running.receiver.wait_for("radar.early_fraud_warning.created")
    refund = running.client.v1.refunds.create_async
    await refund({"charge": charge.id, "amount": 4_000})
    assert (await warnings.retrieve_async(warning.id)).actionable  # a part is not all of it
    await refund({"charge": charge.id})
    assert not (await warnings.retrieve_async(warning.id)).actionable
    [updated] = await running.receiver.wait_for("radar.early_fraud_warning.updated")
    assert updated["data"]["previous_attributes"] == {"actionable": True}


async def test_a_control_warns_of_any_payment_and_also_after_a_dispute(running: Running) -> None:
    charge = await charge_in(running, "usd", 10_000)
    warn = f"charges/{charge.id}/warn"
    early = await running.control("POST", warn, fraud_type="made_with_stolen_card")
    assert (early["actionable"], early["fraud_type"]) == (True, "made_with_stolen_card")
    await running.control("POST", f"charges/{charge.id}/dispute", inquiry=True)
    late = await running.control("POST", warn)
    assert (late["actionable"], late["fraud_type"]) == (False, "unauthorized_use_of_card")
    listed = await running.client.v1.radar.early_fraud_warnings.list_async({"charge": charge.id})
    assert [(w.id, w.actionable) for w in listed.data] == [
        (late["id"], False),
        (early["id"], False),
    ]
    with pytest.raises(stripe.InvalidRequestError, match="No such"):
        await running.client.v1.radar.early_fraud_warnings.retrieve_async("issfr_none")
