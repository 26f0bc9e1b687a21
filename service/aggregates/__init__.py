"""The verbs of an aggregate that several askers share: RPCs, Stripe's events, effects, timers."""
