"""Which proxy a request goes through: ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` as Go reads them.

Docker, Podman and the registries' own documentation assume Go's rules (golang.org/x/net/http/httpproxy):
lower case counts when upper case is not set, loopback is never proxied, ``NO_PROXY`` holds domains (with
their subdomains), addresses, networks and ``*``, each perhaps with a port.  ``HTTP_PROXY`` is ignored in a
CGI program, where a client can set it by a header (CVE-2016-5386).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping


def proxy_for(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> str:
    """The proxy's URL for a request to ``host`` (without brackets); "" to go straight."""
    if is_loopback(host) or _is_exempt(host.lower(), port, _value(environment, "NO_PROXY")):
        return ""
    if scheme == "http" and environment.get("REQUEST_METHOD"):
        return ""
    proxy = _value(environment, f"{scheme.upper()}_PROXY")
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine by definition (RFC 6761, 6.3)."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def _value(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.lower()) or "").strip()


def _is_exempt(host: str, port: int, exemptions: str) -> bool:
    return any(_matches(entry.strip().lower(), host, port) for entry in exemptions.split(","))


def _matches(entry: str, host: str, port: int) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _split_port(entry)
    if wanted and wanted != str(port):
        return False
    if (exempt := _address(name)) is not None:
        return address == exempt
    bare = name.removeprefix("*").removeprefix(".")
    is_suffix_only = name.startswith((".", "*."))
    return host.endswith(f".{bare}") or (host == bare and not is_suffix_only)


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        address, _, port = entry[1:].partition("]")
        return address, port.removeprefix(":")
    name, colon, port = entry.rpartition(":")
    return (name, port) if colon and ":" not in name and port.isdecimal() else (entry, "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
