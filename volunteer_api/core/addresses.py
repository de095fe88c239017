"""Where a request comes from."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import request


def caller() -> IPv4Address | IPv6Address | None:
    """The caller's address, None where the server knows none.

    A proxy that listens on both kinds writes ::ffff:203.0.113.7 for 203.0.113.7; as IPv6 all of them are one network.
    """
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
