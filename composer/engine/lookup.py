"""Which container a word means, from the records alone: quick, because no specification is read.

A word is a name, an id, or the unambiguous beginning of an id, of a container of any stack.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer import errors

if TYPE_CHECKING:
    from composer.host.database import Database

_ID_PREFIX = re.compile(r"[0-9a-f]{1,64}")


class Named:
    """A container that was named: where to ask about it."""

    __slots__ = ("id", "stack")

    def __init__(self, container_id: str, stack: str) -> None:
        self.id = container_id
        self.stack = stack


def container_meant(database: Database, word: str) -> Named:
    """The container that a word means; raises ``UsageError`` when none or several are."""
    name = word.removeprefix("/")
    rows = database.rows(
        "SELECT id, stack FROM containers WHERE name = ? OR id = ? ORDER BY created_at DESC LIMIT 1",
        (name, word),
    )
    if not rows and _ID_PREFIX.fullmatch(word):
        rows = database.rows("SELECT id, stack FROM containers WHERE id GLOB ? LIMIT 2", (f"{word}*",))
    if len(rows) == 1:
        return Named(rows[0]["id"], rows[0]["stack"])
    if rows:
        message = f"several containers have an id that begins with {word}"
        raise errors.UsageError(message, hint="Write more of it.")
    message = f"no such container: {word}"
    raise errors.UsageError(message, hint="See `composer container ls -a`.")


def stacks_with_containers(database: Database) -> list[str]:
    """The stacks that have a container, in whatever state, by name."""
    return [row["stack"] for row in database.rows("SELECT DISTINCT stack FROM containers ORDER BY stack")]
