"""``security_opt`` and ``privileged``: how a container departs from the baseline.

Grammar as Docker's (``docker run --security-opt``): ``KEY=VALUE``, ``KEY:VALUE`` or a bare
``no-new-privileges``.  The stack file's ``seccomp=FILE`` has become the profile's JSON when it was loaded.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

Config = dict[str, Any]

UNCONFINED = "unconfined"


@attrs.frozen(kw_only=True)
class Security:
    """The departures; the default is none.

    ``seccomp`` is ``None`` for composer's own profile, ``{}`` for no filter.  ``apparmor`` and
    ``selinux`` are labels for hosts that have these; ``hides_paths`` says whether parts of ``/proc`` and
    ``/sys`` are masked or read-only.
    """

    no_new_privileges: bool = False
    seccomp: Config | None = None
    apparmor: str = ""
    selinux: tuple[str, ...] = ()
    hides_paths: bool = True
    has_writable_cgroups: bool = False


def parsed(options: tuple[str, ...], *, privileged: bool) -> Security:
    """What the options come to; raises ``ValueError`` for what is none."""
    security = Security(seccomp={}, apparmor=UNCONFINED, hides_paths=False) if privileged else Security()
    for option in options:
        security = _with(security, option)
    return security


def _with(security: Security, option: str) -> Security:
    key, value = split(option)
    if key == "no-new-privileges" and value in ("", "true", "false"):
        return attrs.evolve(security, no_new_privileges=value != "false")
    if key == "writable-cgroups" and value in ("", "true", "false"):
        return attrs.evolve(security, has_writable_cgroups=value != "false")
    if key == "systempaths" and value == UNCONFINED:
        return attrs.evolve(security, hides_paths=False)
    if key == "apparmor" and value:
        return attrs.evolve(security, apparmor=value)
    if key == "label" and value:
        return attrs.evolve(security, selinux=(*security.selinux, value))
    if key == "seccomp" and value:
        return attrs.evolve(security, seccomp=_profile(value))
    message = f"{option!r} is no security option"
    raise ValueError(message)


def split(option: str) -> tuple[str, str]:
    """Key and value: ``=`` separates, else ``:`` (the older way)."""
    separator = "=" if "=" in option else ":"
    key, _, value = option.partition(separator)
    return key, value


def _profile(value: str) -> Config | None:
    if value == UNCONFINED:
        return {}
    if value == "builtin":
        return None
    try:
        profile = json.loads(value)
    except ValueError:
        profile = None
    if not isinstance(profile, dict) or "defaultAction" not in profile:
        message = "the seccomp profile is not JSON with a defaultAction"
        raise ValueError(message)
    return profile
