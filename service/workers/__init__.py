"""Loops over what is due. Each has ``run()``, and ``run_once()`` for one turn."""
