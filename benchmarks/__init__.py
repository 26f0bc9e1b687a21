"""``make bench``: the service against floors that are measured in the same run.

``__main__`` runs a plan and prints the report, ``plan`` says how much is run, ``goals`` what we
want. ``suite`` is what is compared with what, ``postings`` how long a webhook takes to the books,
``polls`` what looking for work costs, ``gate`` what CI asks for, ``memory`` whether memory stays
flat, ``release_profile`` where the time of a release goes. All of them use ``stand``: one
PostgreSQL, and what ``programs`` starts on it. ``fixture`` fills its databases, and ``tenants``
names the tenants when there are many.

Each of these is a process of its own: ``load`` (the load generator), ``echo_server`` and
``webhook_floor`` (the floors), ``store_program`` (the service without gRPC), ``poll_program`` (a
worker that only looks), ``collector`` (of telemetry) and ``stripe_transfers`` (a Stripe for very
many releases).
"""
