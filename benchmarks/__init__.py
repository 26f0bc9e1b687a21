"""``make bench``: the service against floors that are measured in the same run.

``__main__`` runs the plan and prints it, ``plan`` says how much is run, ``suite`` what is compared
with what, ``goals`` what we want, ``release_profile`` where the time of a release goes. What is
measured is started by ``programs``; ``load`` is the load generator, ``echo_server`` and
``webhook_floor`` are the floors, each its own process.
"""
