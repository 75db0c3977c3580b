"""The host's resolver configuration (resolv.conf(5)), for containers that use it as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from composer.model.stack import Resolver

PATH = "/etc/resolv.conf"


@attrs.frozen(kw_only=True)
class Settings:
    """The lines that count; a later ``search`` replaces an earlier one, as the manual has it."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def of_host(path: str = PATH) -> Settings:
    """What the host says; nothing when it has no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parsed(file.read())
    except OSError:
        return Settings()


def parsed(text: str) -> Settings:
    """Read the text of a file; unknown lines and comments are passed over."""
    servers: list[str] = []
    options: list[str] = []
    search: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.partition("#")[0].partition(";")[0].split()
        if len(words) < 2:
            continue
        keyword, values = words[0], words[1:]
        if keyword == "nameserver":
            servers.append(values[0])
        elif keyword in ("search", "domain"):
            search = tuple(values)
        elif keyword == "options":
            options += values
    return Settings(
        servers=tuple(dict.fromkeys(servers)), search=search, options=tuple(dict.fromkeys(options))
    )


def inside(asked: Resolver, host: Settings, *, server: str) -> Settings:
    """What a container finds: the stack's word, else the host's, as Docker has it.

    ``server`` is the name server on the container's own network, which asks the ones it was given;
    "" for a container without one.  ``dns_search: .`` means no search list, whatever the host has.
    With ``ndots:0`` a name without dots is first asked as it stands: it may be a service's.
    """
    search = tuple(domain for domain in asked.search if domain != ".") if asked.search else host.search
    options = asked.options or host.options
    if server and not any(option.startswith("ndots:") for option in asked.options):
        options = ("ndots:0", *(option for option in options if not option.startswith("ndots:")))
    servers = (server,) if server else asked.servers or host.servers
    return Settings(servers=servers, search=search, options=options)
