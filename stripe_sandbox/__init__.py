"""A stateful local Stripe with a virtual clock: `python -m stripe_sandbox`.

How a request travels: `app.py` routes it, `api.py` authenticates it, claims its idempotency key,
runs the handler in one transaction, commits objects, events and the stored answer together, and
answers. `control.py` has the controls under /_sandbox/.

Imports point down (`make imports` checks it), from the top:

    app         __main__, app; api: the way of a request
    objects     one module per resource (billing/, payments/, connect/, catalog/) and the controls
    money       ledger; settlement: in which currency; exchange_rates
    sandbox     pages; sandbox; scheduler: what is due; webhooks: sending; expand; registry
    call        call: what a handler works in; events: what is recorded
    state       state: objects, clock, agenda, planned deliveries, faults, chaos, idempotency keys
    values      store, params, errors, ids, form, html and the like

No floor imports a higher one. A call puts the keys of tasks and deliveries on the agenda;
the scheduler, which knows the handlers, takes them from there.

How to add a resource: write a module with one registry and add it to REGISTRIES in `app.py`.

    registry = Registry()

    @registry.post("/v1/transfers")                 # also .get, .delete; `{id}` in the path
    def create_transfer(call: Call) -> StripeObject:
        amount = call.params.required_amount()      # typed readers refuse in Stripe's words
        destination = call.params.required_text("destination")
        transfer = call.add({"id": new_id("tr"), "object": "transfer", "created": call.now, ...})
        ledger.post(call, "transfer", transfer["id"], -amount, currency, available_on=...)
        ledger.post(call.on(destination), "payment", payment["id"], amount, currency)
        call.emit("transfer.created", transfer)     # snapshot now, delivered after the commit
        return transfer

    @registry.get("/v1/transfers")
    def list_transfers(call: Call) -> StripeObject:
        return call.page("transfer", lambda transfer: ...)

- Handlers are synchronous and atomic. They get a `Call` (call.py): `account` (the platform, or the
  account in Stripe-Account), `params`, `path["id"]`, `now`, `find`, `require`, `add`, `remove`,
  `select`, `page`, `emit`, `schedule`, and `on(account)` for the same transaction elsewhere.
- Objects are plain dictionaries in Stripe's shape, kept under (account, object["object"], id).
  `find` and `require` give a working copy: change it in place, the commit notices. What `select`
  returns must not be changed. Fields that start with "_" are ours and never leave the sandbox. A
  connected account is an object of kind "account" on the platform; Stripe-Account looks there.
- `call.emit("x.updated", obj, before=private_copy_taken_before)` fills previous_attributes.
- `call.schedule(seconds, "name", **arguments)` runs `@registry.task("name")` f(call, **arguments)
  at that virtual time, on the same account, also after a restart.
- Money moves only through `ledger.post`; `ledger.available(call, currency)` is what can be sent.
  What comes from outside is first settled: `settlement.settle` says in which currency an account
  holds it, `settlement.convert` what it is today in the currency that something came in.
- Errors: raise InvalidRequestError (never executed, the key stays free, nothing is kept),
  RefusedError (executed: 400, stored under the key) or CardError (402); what the handler changed
  before an executed error is committed.
- Expandable ids need only their prefix in `ids.KIND_BY_PREFIX`; a field that exists only when
  expanded is a `@registry.expansion(kind, field)` f(call, obj).
- `@registry.control(method, path)` is a handler with a JSON body under /_sandbox/.
- `@pages.get(path)` (pages.py, also .post) is an async f(sandbox, request) for browsers, which
  changes state through `sandbox.execute(account, f)`. Its `pages` goes into PAGES in `app.py`.
- `@registry.reaction("charge.succeeded")` f(call, obj) runs inside `emit`, in its transaction, for
  what one module does because of another's event.
- `api.py` checks every request against `schemas.parameters` before its handler runs, so handlers
  never see an unknown or wrongly typed parameter.
"""
