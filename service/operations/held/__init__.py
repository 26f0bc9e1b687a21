"""What is held until a second person has approved it, and how."""
