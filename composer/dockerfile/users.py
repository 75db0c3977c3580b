"""Owners by name: what ``--chown`` and ``USER`` mean in the root that a step writes.

Names are looked up in the image's own ``/etc/passwd`` and ``/etc/group`` (passwd(5), group(5)),
never in the host's.
"""

from __future__ import annotations

LARGEST_ID = 2**32 - 2
"""The largest id; 2**32 - 1 means "do not change" to chown(2)."""


def owner_of(text: str, *, passwd: str, group: str) -> tuple[int, int]:
    """Resolve ``user[:group]`` to numbers; raises ``ValueError`` when a name is unknown.

    Without a group, a named user brings its primary group, a number is both uid and gid.
    """
    user, colon, group_text = text.partition(":")
    if user.isascii() and user.isdigit():
        uid = gid = _number(user)
    else:
        fields = _fields(passwd, user, 4)
        if fields is None:
            message = f"unable to find user {user!r} in the image's /etc/passwd"
            raise ValueError(message)
        uid, gid = _number(fields[2]), _number(fields[3])
    if colon:
        if group_text.isascii() and group_text.isdigit():
            gid = _number(group_text)
        else:
            fields = _fields(group, group_text, 3)
            if fields is None:
                message = f"unable to find group {group_text!r} in the image's /etc/group"
                raise ValueError(message)
            gid = _number(fields[2])
    return uid, gid


def _fields(database: str, name: str, least: int) -> list[str] | None:
    """The fields of the first line whose first field is ``name``."""
    for line in database.splitlines():
        fields = line.split(":")
        if name and fields[0] == name and len(fields) >= least:
            return fields
    return None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > LARGEST_ID:
        message = f"{text!r} is not a user or group id"
        raise ValueError(message)
    return int(text)
