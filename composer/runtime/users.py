"""Users and groups of a container, resolved by us against its own files, into numbers.

The runtime only ever gets numbers: crun before 1.27 could be talked into the wrong user by a name
(CVE-2026-30892), and a name means what the image's ``/etc/passwd`` says, not what the host's does.
"""

from __future__ import annotations

import attrs

from composer import errors
from composer.host import descriptor

_LARGEST_ID = 2**32 - 2
_FIELDS_PASSWD, _FIELDS_GROUP = 7, 4


@attrs.frozen(kw_only=True)
class User:
    """Who a process runs as; ``groups`` hold ``gid`` as well.

    A primary group that is not supplementary too can be dropped by a set-group-id program, which opens
    what denies that group access (CVE-2022-36109).
    """

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def resolve(text: str, passwd: str, group: str) -> User:
    """``""``, ``user``, ``user:group``, ``1000``, ``1000:1000`` -> numbers (Docker's rules).

    A bare number needs no entry; its group is then 0.  Raises ``OperationFailed`` for unknown names.
    """
    name, _, group_name = text.partition(":")
    users = _users(passwd)
    groups = _groups(group)
    entry = users.get(name or "root") or next(
        (user for user in users.values() if name.isdecimal() and user[0] == int(name)), None
    )
    if entry is not None:
        uid, gid, home = entry[0], entry[1], entry[2]
    elif not name:
        uid, gid, home = 0, 0, "/root"
    elif _is_number(name):
        uid, gid, home = int(name), 0, "/"
    else:
        message = f"no user {name!r} in the image's /etc/passwd"
        raise errors.OperationFailed(message, hint="Use a number, or add the user in the Dockerfile.")
    if group_name:
        gid = _group_id(group_name, groups)
        supplementary = set[int]()
    else:
        own = next((key for key, value in users.items() if value[0] == uid), None)
        supplementary = {number for number, members in groups.values() if own in members}
    return User(uid=uid, gid=gid, groups=tuple(sorted({gid, *supplementary})), home=home or "/")


def resolve_in(root: int, text: str, additional: tuple[str, ...] = ()) -> User:
    """As ``resolve``, with the files of the container whose root is open as ``root``.

    ``additional`` are further groups (``group_add``), by name or number.
    """
    passwd = descriptor.read_in_root(root, "/etc/passwd").decode("utf-8", errors="replace")
    group = descriptor.read_in_root(root, "/etc/group").decode("utf-8", errors="replace")
    user = resolve(text, passwd, group)
    if not additional:
        return user
    known = _groups(group)
    more = {_group_id(name, known) for name in additional}
    return attrs.evolve(user, groups=tuple(sorted({*user.groups, *more})))


def _group_id(name: str, groups: dict[str, tuple[int, frozenset[str]]]) -> int:
    if name in groups:
        return groups[name][0]
    if _is_number(name):
        return int(name)
    message = f"no group {name!r} in the image's /etc/group"
    raise errors.OperationFailed(message, hint="Use a number, or add the group in the Dockerfile.")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) <= _LARGEST_ID


def _users(passwd: str) -> dict[str, tuple[int, int, str]]:
    found: dict[str, tuple[int, int, str]] = {}
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) >= _FIELDS_PASSWD and _is_number(fields[2]) and _is_number(fields[3]):
            found.setdefault(fields[0], (int(fields[2]), int(fields[3]), fields[5]))
    return found


def _groups(group: str) -> dict[str, tuple[int, frozenset[str]]]:
    found: dict[str, tuple[int, frozenset[str]]] = {}
    for line in group.splitlines():
        fields = line.split(":")
        if len(fields) >= _FIELDS_GROUP and _is_number(fields[2]):
            found.setdefault(fields[0], (int(fields[2]), frozenset(filter(None, fields[3].split(",")))))
    return found
