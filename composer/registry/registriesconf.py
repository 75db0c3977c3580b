"""``registries.conf``: mirrors, insecure and blocked registries, short names (containers-registries.conf(5)).

Read as Podman reads it: one main file (``CONTAINERS_REGISTRIES_CONF``, else the user's, else the
system's), then the drop-ins ``registries.conf.d/*.conf`` of the system and of the user in the order of
their names (containers-registries.conf.d(5)).  A file named by the variable stands alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from composer import errors

SYSTEM = Path("/etc/containers")

AUTH_FILES = "containers-auth.json"
"""Among ``credential-helpers``: the files of credentials."""

ENFORCING, PERMISSIVE, DISABLED = "enforcing", "permissive", "disabled"
_MODES = (ENFORCING, PERMISSIVE, DISABLED)
_PULLS = ("all", "digest-only", "tag-only")


@attrs.frozen(kw_only=True)
class Mirror:
    """Another place for the same names; ``pulls`` says for which references."""

    location: str
    is_insecure: bool = False
    pulls: str = "all"


@attrs.frozen(kw_only=True)
class Rule:
    """What holds for names that begin with ``prefix``; ``location`` "" leaves them as they are."""

    prefix: str
    location: str = ""
    is_insecure: bool = False
    is_blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()


@attrs.frozen(kw_only=True)
class RegistriesConf:
    """Everything the files say; ``search`` are registries for names without one.

    ``helpers`` are credential helpers in the order they are asked, ``AUTH_FILES`` standing for the files of
    credentials; empty means those alone.
    """

    rules: tuple[Rule, ...] = ()
    search: tuple[str, ...] = ()
    mode: str = PERMISSIVE
    aliases: Mapping[str, str] = attrs.field(factory=dict)
    helpers: tuple[str, ...] = ()


def load(environment: Mapping[str, str], *, system: Path = SYSTEM) -> RegistriesConf:
    """Read the files that there are; raises ``RegistryError`` naming the one that is wrong."""
    if given := environment.get("CONTAINERS_REGISTRIES_CONF"):
        return _extended(RegistriesConf(), Path(given))
    homes = [system]
    if user := environment.get("XDG_CONFIG_HOME") or _below(environment.get("HOME"), ".config"):
        homes.append(Path(user) / "containers")
    mains = [home / "registries.conf" for home in reversed(homes)]
    files = [path for path in mains if path.is_file()][:1]
    for home in homes:
        files += sorted((home / "registries.conf.d").glob("*.conf"))
    conf = RegistriesConf()
    for file in files:
        conf = _extended(conf, file)
    return conf


def _below(directory: str | None, name: str) -> str:
    return f"{directory}/{name}" if directory else ""


def _extended(conf: RegistriesConf, file: Path) -> RegistriesConf:
    """``conf`` with what a later file says: its rules replace those of the same prefix."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
        return _merged(conf, document)
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"cannot use {file}: {reason}"
        raise errors.RegistryError(message, hint="See containers-registries.conf(5).") from error


def _merged(conf: RegistriesConf, document: Mapping[str, Any]) -> RegistriesConf:
    if "registries" in document:
        raise ValueError("it is in the old version 1 format")
    rules = {rule.prefix: rule for rule in conf.rules}
    for table in document.get("registry", ()):
        rule = _rule(table)
        rules[rule.prefix] = rule
    mode = str(document.get("short-name-mode") or conf.mode)
    if mode not in _MODES:
        message = f"short-name-mode {mode!r} is none of {', '.join(_MODES)}"
        raise ValueError(message)
    aliases = {**conf.aliases, **{str(k): str(v) for k, v in document.get("aliases", {}).items()}}
    search = document.get("unqualified-search-registries")
    helpers = document.get("credential-helpers")
    return RegistriesConf(
        rules=tuple(rules.values()),
        search=conf.search if search is None else tuple(str(name) for name in search),
        mode=mode,
        aliases={name: target for name, target in aliases.items() if target},
        helpers=conf.helpers if helpers is None else tuple(str(name) for name in helpers),
    )


def _rule(table: Mapping[str, Any]) -> Rule:
    location = str(table.get("location") or "").rstrip("/")
    prefix = str(table.get("prefix") or location).rstrip("/")
    if not prefix:
        raise ValueError("a [[registry]] has neither prefix nor location")
    if not location and not prefix.startswith("*."):
        location = prefix
    digest_only = bool(table.get("mirror-by-digest-only"))
    return Rule(
        prefix=prefix,
        location=location,
        is_insecure=bool(table.get("insecure")),
        is_blocked=bool(table.get("blocked")),
        mirrors=tuple(_mirror(mirror, digest_only=digest_only) for mirror in table.get("mirror", ())),
    )


def _mirror(table: Mapping[str, Any], *, digest_only: bool) -> Mirror:
    location = str(table.get("location") or "").rstrip("/")
    pulls = str(table.get("pull-from-mirror") or "all")
    if not location:
        raise ValueError("a [[registry.mirror]] has no location")
    if pulls not in _PULLS:
        message = f"pull-from-mirror {pulls!r} is none of {', '.join(_PULLS)}"
        raise ValueError(message)
    return Mirror(
        location=location,
        is_insecure=bool(table.get("insecure")),
        pulls="digest-only" if digest_only else pulls,
    )
