"""Which network addresses a picture may be fetched from: public ones, and networks that the operator allows."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

from guard.errors import ConfigInvalid

Address: TypeAlias = IPv4Address | IPv6Address

# Not public whatever the standard library of this Python version says of them.
_DENIED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
            "168.63.129.16/32",  # Azure's wire server: a public address that every virtual machine reaches
            "169.254.0.0/16",  # link-local, where clouds keep instance metadata
            "192.0.0.0/24",  # IETF protocol assignments
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarking
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
            "::/96",  # IPv4-compatible, unspecified, loopback
            "64:ff9b::/96",  # NAT64: reaches any IPv4 address
            "64:ff9b:1::/48",  # NAT64, local use
            "100::/64",  # discard
            "2001::/23",  # IETF protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: reaches any IPv4 address
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
            "fc00::/7",  # unique local
            "fe80::/10",  # link-local
            "fec0::/10",  # site-local
            "ff00::/8",  # multicast
        ),
    )
)


class AddressPolicy:
    """Says of an address whether Guard may connect to it.

    Args:
        allow_networks: networks in CIDR form that may be reached although they are not public.

    Raises:
        ConfigInvalid: one of them is not a network.
    """

    def __init__(self, allow_networks: Iterable[str] = ()) -> None:
        try:
            self._allowed = tuple(ip_network(network) for network in allow_networks)
        except ValueError as error:
            raise ConfigInvalid(f"fetch.allow_networks: {error}") from error

    def permits(self, written: str) -> bool:
        """Return whether an address in numbers is public, or in an allowed network; anything else is neither."""
        try:
            address = _unwrapped(ip_address(written))
        except ValueError:
            return False
        if any(address in network for network in self._allowed):
            return True
        return address.is_global and not any(address in network for network in _DENIED)


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one maps: the kernel connects to that one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def is_address(host: str) -> bool:
    """Return whether a host of a URL is an address in numbers, rather than a name to look up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
