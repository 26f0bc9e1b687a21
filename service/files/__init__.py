"""Files that people bring: the bucket that keeps them, and the scanner that looks into them."""
