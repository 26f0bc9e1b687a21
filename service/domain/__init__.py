"""The rules, as pure functions over tables. Standard library only: no database, no network."""
