"""The Stripe calls we make, in our words, and the reading of Stripe's objects."""
