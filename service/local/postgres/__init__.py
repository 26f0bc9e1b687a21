"""An embedded PostgreSQL: its programs, its server, and the processes that share it."""
