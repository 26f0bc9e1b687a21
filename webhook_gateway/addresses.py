"""Which addresses may deliver events: Stripe's, where an operator lists them, else any.

A signature proves more than an address. The list keeps strangers from costing us a look at theirs.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def networks(given: object) -> object:
    """What a comma-separated variable names: addresses and CIDR ranges; ValueError for others."""
    if not isinstance(given, str):
        return given
    return [ip_network(each.strip()) for each in given.split(",") if each.strip()]


class AllowedAddresses:
    """With none ``allowed``, every address is. X-Forwarded-For is believed only as far as
    ``proxies`` wrote it: anybody can send one.
    """

    def __init__(self, allowed: Sequence[Network], proxies: Sequence[Network]) -> None:
        self._allowed = allowed
        self._proxies = proxies

    def allow(self, peer: str | None, forwarded_for: Iterable[str]) -> bool:
        """Whether the one who sent this request may: the connection's peer, or whom our proxies
        name before them.
        """
        if not self._allowed:
            return True
        sender = self._sender(peer, forwarded_for)
        return sender is not None and any(sender in network for network in self._allowed)

    def _sender(self, peer: str | None, forwarded_for: Iterable[str]) -> Address | None:
        """The last one that no proxy of ours is; None where that is no address."""
        chain = [hop.strip() for header in forwarded_for for hop in header.split(",")]
        for hop in [peer or "", *reversed(chain)]:
            try:
                address = _plain(ip_address(hop))
            except ValueError:
                return None
            if not any(address in network for network in self._proxies):
                return address
        return None


def _plain(address: Address) -> Address:
    """An IPv4 address that arrived on an IPv6 socket as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
