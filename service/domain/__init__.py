"""The rules, as pure functions over tables. Standard library only; nothing here reads a clock, a database or a network."""
