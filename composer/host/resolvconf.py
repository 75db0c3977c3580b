"""The host's resolver configuration (resolv.conf(5)), for containers that use it as it is."""

from __future__ import annotations

import attrs

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
