"""What is sold, and what is taken off its price: products, prices, coupons."""
