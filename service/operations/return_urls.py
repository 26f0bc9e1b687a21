"""Where people are sent back to from Stripe's pages: only to hosts that the tenant lists."""

from __future__ import annotations

from service.domain.call import Call
from service.domain.errors import FieldViolation, InvalidField
from service.runtime import Runtime


def check_return_urls(runtime: Runtime, call: Call, **urls: str) -> None:
    """``urls`` by the names of their fields; those that are empty are not looked at.

    Raises:
        InvalidField: with every one that leads elsewhere.
    """
    hosts = runtime.stripe[call.tenant_id].return_hosts
    told = {field: hosts.complaint(url) for field, url in urls.items() if url}
    if violations := [FieldViolation(field, says) for field, says in told.items() if says]:
        raise InvalidField(*violations)
