"""The seccomp profile: which system calls a container may make.

``schemas/seccomp.json`` is our own deny-by-default list, equivalent to Docker's (moby
``profiles/seccomp/default_linux.go``).  ``profile_for`` selects, purely, what applies to a set of
capabilities and an architecture and gives the OCI form (runtime-spec, ``config-linux.md`` Seccomp).

libseccomp needs about 20 ms to compile that form at each start.  For crun, ``compiled`` does it
once and keeps the program (``run.oci.seccomp_bpf_data``, crun(1)); where anything for that is
missing, the JSON form is used, which is the same filter.
"""

from __future__ import annotations

import base64
import ctypes
import functools
import hashlib
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

from composer.model.data import read_schema

_OCI_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}
_ARCHITECTURE_TOKENS = {
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_ARM": 0x40000028,
}
_COMPARISONS = {
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ATTRIBUTE_OPTIMIZE, _BINARY_TREE = 8, 2

Profile = dict[str, Any]  # JSON of the OCI specification


def profile_for(capabilities: tuple[str, ...], machine: str) -> Profile:
    """The OCI seccomp object for a capability set on an architecture (``platform.machine()``)."""
    source = _source()
    rules: list[Profile] = []
    for group in source["groups"]:
        if "capability" in group and group["capability"] not in capabilities:
            continue
        if group.get("without_capability") in capabilities:
            continue
        if "architectures" in group and machine not in group["architectures"]:
            continue
        rules.extend(_rules_of(group))
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": source["default_errno"],
        "architectures": list(_OCI_ARCHITECTURES.get(machine, ())),
        "syscalls": rules,
    }


def profile_from(own: Profile, capabilities: tuple[str, ...], machine: str) -> Profile:
    """A user's profile, in Docker's format or in the OCI's, as the OCI's for this container.

    Docker's format adds ``archMap``, ``includes`` and ``excludes`` (moby ``profiles/seccomp``); rules for
    other capabilities or architectures are left out.
    """
    architectures = own.get("architectures", [])
    for entry in own.get("archMap") or ():
        if entry["architecture"] == next(iter(_OCI_ARCHITECTURES.get(machine, ())), ""):
            architectures = [entry["architecture"], *(entry.get("subArchitectures") or ())]
    rules = []
    for rule in own.get("syscalls") or ():
        if _applies(rule, capabilities, machine):
            names = rule.get("names") or [rule["name"]]
            kept = {key: rule[key] for key in ("action", "errnoRet", "args") if rule.get(key) is not None}
            rules.append({"names": names, **kept})
    kept = {key: own[key] for key in ("defaultErrnoRet", "flags") if own.get(key) is not None}
    return {
        "defaultAction": own["defaultAction"],
        **kept,
        "architectures": architectures,
        "syscalls": rules,
    }


def _applies(rule: Profile, capabilities: tuple[str, ...], machine: str) -> bool:
    word = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    wanted = includes.get("arches")
    return (
        set(includes.get("caps") or ()) <= set(capabilities)
        and not set(excludes.get("caps") or ()) & set(capabilities)
        and (not wanted or word in wanted)
        and word not in (excludes.get("arches") or ())
        and _kernel_is_at_least(includes.get("minKernel", ""))
    )


def _kernel_is_at_least(version: str) -> bool:
    if not version:
        return True
    running = re.findall(r"\d+", platform.release())[:2]
    return [int(part) for part in running] >= [int(part) for part in version.split(".")[:2]]


def _rules_of(group: Profile) -> list[Profile]:
    rule: Profile = {"names": group["names"], "action": "SCMP_ACT_ALLOW"}
    if "errno" in group:
        return [{**rule, "action": "SCMP_ACT_ERRNO", "errnoRet": group["errno"]}]
    conditions = [*group.get("any_of", ()), *group.get("ranges", ())]
    if "masked" in group:
        masked = group["masked"]
        comparison = {
            "index": masked["argument"],
            "value": masked["mask"],
            "valueTwo": masked["equals"],
            "op": "SCMP_CMP_MASKED_EQ",
        }
        return [{**rule, "args": [comparison]}]
    if not conditions:
        return [rule]
    return [{**rule, "args": [_comparison(condition)]} for condition in conditions]


def _comparison(condition: Profile) -> Profile:
    for key, operator in (("equals", "EQ"), ("below", "LT"), ("above", "GT")):
        if key in condition:
            return {
                "index": condition["argument"],
                "value": condition[key],
                "valueTwo": 0,
                "op": f"SCMP_CMP_{operator}",
            }
    message = f"a condition of the seccomp profile compares nothing: {condition}"
    raise ValueError(message)


@functools.cache
def _source() -> Profile:
    source: Profile = json.loads(read_schema("seccomp.json"))
    return source


def compiled(profile: Profile, cache: Path) -> str | None:
    """The profile as a base64 BPF program, from ``cache`` or made now; ``None`` when impossible."""
    key = hashlib.sha256(json.dumps(profile, sort_keys=True).encode() + _library_version()).hexdigest()
    path = cache / f"seccomp-{key[:32]}"
    try:
        return path.read_text("ascii")
    except OSError:
        program = _compile(profile)
    if program is None:
        return None
    text = base64.b64encode(program).decode("ascii")
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_text(text, "ascii")
        temporary.replace(path)
    except OSError:
        return text  # a cache that cannot be written only costs time
    return text


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


class _Version(ctypes.Structure):
    _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))


def _library_version() -> bytes:
    library = _library()
    if library is None:
        return b""
    library.seccomp_version.restype = ctypes.POINTER(_Version)
    version = library.seccomp_version().contents
    return f"{version.major}.{version.minor}.{version.micro}".encode()


class _Argument(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("value_two", ctypes.c_uint64),
    )


def _compile(profile: Profile) -> bytes | None:
    library = _library()
    if library is None or not profile["architectures"]:
        return None
    context = library.seccomp_init(ctypes.c_uint32(_ERRNO | profile["defaultErrnoRet"]))
    if not context:
        return None
    handle = ctypes.c_void_p(context)
    try:
        if not _fill(library, handle, profile):
            return None
        return _exported(library, handle)
    finally:
        library.seccomp_release(handle)


def _fill(library: ctypes.CDLL, handle: ctypes.c_void_p, profile: Profile) -> bool:
    library.seccomp_attr_set(handle, _ATTRIBUTE_OPTIMIZE, _BINARY_TREE)
    native = profile["architectures"][0]
    for name in profile["architectures"]:
        if name == native:
            continue
        if library.seccomp_arch_add(handle, ctypes.c_uint32(_ARCHITECTURE_TOKENS[name])) != 0:
            return False
    for rule in profile["syscalls"]:
        action = _ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else _ERRNO | rule["errnoRet"]
        arguments = [
            _Argument(item["index"], _COMPARISONS[item["op"]], item["value"], item["valueTwo"])
            for item in rule.get("args", ())
        ]
        array = (_Argument * len(arguments))(*arguments)
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number == -1:  # unknown to this libseccomp: then it stays denied
                continue
            # A call that one of the architectures lacks gives EDOM; it is denied there anyway.
            library.seccomp_rule_add_array(handle, ctypes.c_uint32(action), number, len(arguments), array)
    return True


def _exported(library: ctypes.CDLL, handle: ctypes.c_void_p) -> bytes | None:
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "r+b") as file:
        if library.seccomp_export_bpf(handle, file.fileno()) != 0:
            return None
        file.seek(0)
        return file.read()


def machine() -> str:
    """The architecture of this host."""
    return platform.machine()
