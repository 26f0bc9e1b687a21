"""What is sold and how it is billed, as far as Checkout and Stripe's CLI need it."""
