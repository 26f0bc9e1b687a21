"""What only one machine needs: the parts of ``make run``, of development and of tests.

An embedded PostgreSQL, the child processes, the story. The production image leaves this folder out,
so only the command line imports it, and only inside the commands that need it.
"""
