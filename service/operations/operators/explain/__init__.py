"""What somebody wants to know of a thing they have a name of: its state, money, waits and past."""
