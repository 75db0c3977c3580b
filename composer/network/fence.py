"""The guards of a stack's networks once more, in a table that nobody but this process can take away.

``nft flush ruleset`` (or a firewall's restart) removes the stack's table, and forwarding stays on: until
somebody puts the table back, neighbours with a route would reach containers, and networks each other.  A
table with the flag ``owner`` (nft(8), Linux 5.12) is passed over by flushes of others, and goes when its
owner's socket closes.  It holds the filters only: without the translations of the stack's own table,
published ports are closed, not open.  A dead supervisor leaves the stack's table as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from composer import errors
from composer.host import nft
from composer.network.ruleset import Chain, Ruleset

PREFIX = "composer_fence_"
_GUARDS = ("guard", "input", "forward")


def text_of(rules: Ruleset, *, is_there: bool) -> str:
    """Commands that make, or make again, the fence of a stack."""
    table = name_of(rules.table)
    lines = [f"delete table inet {table}"] if is_there else []
    lines += [f"table inet {table} {{", "\tflags owner"]
    for chain in guards_in(rules):
        lines += [f"\tchain {chain.name} {{", f"\t\t{chain.head}", *(f"\t\t{rule}" for rule in chain.rules)]
        lines.append("\t}")
    return "\n".join([*lines, "}", ""])


def guards_in(rules: Ruleset) -> Sequence[Chain]:
    """The chains that only ever refuse what the stack's own table refuses as well."""
    return [chain for chain in rules.chains if chain.name in _GUARDS]


def name_of(table: str) -> str:
    """The fence's table beside the stack's own."""
    return PREFIX + table.rpartition("_")[2]


class Fence:
    """The fences of this process, by stack's table; on kernels without owned tables it does nothing."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._tables: dict[str, str] = {}
        self._owner: nft.Owner | None = None
        self.is_possible = True

    def put(self, rules: Ruleset) -> None:
        """Let the fence be that of these rules; none for a stack without networks."""
        with self._turn:
            if not self.is_possible or self._tables.get(rules.table) == rules.generation:
                return
            if rules.is_empty:
                self._take(rules.table)
                return
            if self._owner is None:
                self._owner = nft.Owner.open()
            try:
                if self._owner is None:
                    raise errors.HostUnsupported("libnftables is not there")
                self._owner.run(text_of(rules, is_there=rules.table in self._tables))
            except errors.ComposerError:
                # An old kernel: the stack's own table is all there is, as before.
                self.is_possible = bool(self._tables)
                return
            self._tables[rules.table] = rules.generation

    def _take(self, table: str) -> None:
        if self._tables.pop(table, None) is not None and self._owner is not None:
            self._owner.run(f"delete table inet {name_of(table)}\n")

    def close(self) -> None:
        """Let everything go."""
        with self._turn:
            self._tables.clear()
            if self._owner is not None:
                self._owner.close()
                self._owner = None
