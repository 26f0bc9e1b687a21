"""All SQL, one module per aggregate; ``commit.py`` is the one place where anything is written."""
