"""The payment side of the API: cards, customers, payment intents, charges, refunds, Checkout."""
