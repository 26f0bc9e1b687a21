"""What is read of Stripe by schedule, whether an event came or not."""
