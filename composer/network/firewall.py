"""Applies rules and reads them back: our own table, and our tagged accepts in others' chains."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from composer import errors
from composer.host import nft, process
from composer.network import foreign, ruleset

_SECONDS = 30.0


def damage_of(rules: ruleset.Ruleset) -> str:
    """What the kernel lacks of a table; "" when it is whole."""
    return ruleset.damage_in(rules, nft.listing(f"list table inet {rules.table}"))


def apply(rules: ruleset.Ruleset, *, former: str = "") -> None:
    """Replace the table in one transaction; ``former`` is the generation it is believed to be at."""
    if former and former != rules.generation:
        try:
            nft.run(rules.text_over(former))
        except errors.NetworkFailure:
            nft.run(rules.text)  # somebody flushed it meanwhile
    else:
        nft.run(rules.text)


def remove(table: str) -> None:
    """Delete the table, if it is there."""
    nft.run(f"add table inet {table}\ndelete table inet {table}\n")


@attrs.frozen(kw_only=True)
class _Tool:
    """One iptables program: which family and which of the kernel's two implementations it speaks to."""

    name: str
    version: int
    tables: str = ""
    """Where the kernel lists the legacy tables of the family; "" for iptables-nft."""


_NFT_TOOLS = (_Tool(name="iptables-nft", version=4), _Tool(name="ip6tables-nft", version=6))
_LEGACY_TOOLS = (
    _Tool(name="iptables-legacy", version=4, tables="/proc/thread-self/net/ip_tables_names"),
    _Tool(name="ip6tables-legacy", version=6, tables="/proc/thread-self/net/ip6_tables_names"),
)

_IptablesSeen = Sequence[tuple[_Tool, tuple[str, ...]]]
_NftSeen = Sequence[tuple[foreign.ForwardChain, tuple[nft.Listed, ...]]]


def _blocked(
    openings: tuple[foreign.Opening, ...], iptables: _IptablesSeen, chains: _NftSeen
) -> dict[str, str]:
    """For each bridge that cannot forward, the chain that keeps it from it."""
    blocked: dict[str, str] = {}
    for opening in openings:
        for tool, lines in iptables:
            if tool.version in opening.versions and foreign.iptables_insertions(lines, opening):
                blocked.setdefault(opening.bridge, f"{tool.name} FORWARD")
        for chain, rules in chains:
            if chain.concerns(opening) and foreign.nft_insertions(chain, rules, opening):
                blocked.setdefault(opening.bridge, f"nft {chain.place}")
    return blocked


class Inspector:
    """Looks at tables and foreign chains, and only where something may have changed since.

    The kernel counts changes of nftables (iptables-nft's too); iptables-legacy keeps no count, so
    its chains are looked at every time, where there are any.
    """

    def __init__(self) -> None:
        self._answers: dict[str, tuple[object, tuple[str, dict[str, str]]]] = {}

    def look(
        self, stack: str, rules: ruleset.Ruleset, openings: tuple[foreign.Opening, ...]
    ) -> tuple[str, dict[str, str]]:
        """(damage of the stack's table, what blocks which bridge)."""
        count = nft.generation()
        key = (count, rules.generation, openings)
        known = self._answers.get(stack)
        if known is not None and count is not None and known[0] == key:
            damage, blocked = known[1]
        else:
            damage = "" if rules.is_empty else damage_of(rules)
            blocked = _blocked(openings, _iptables_nft_seen(), _nft_seen())
            self._answers[stack] = (key, (damage, blocked))
        return damage, {**_blocked(openings, _legacy_seen(), []), **blocked}


def open_forwarding(opening: foreign.Opening) -> None:
    """Put our accepts into every chain that would drop a bridge's traffic; idempotent."""
    for tool, lines in _iptables_seen():
        if tool.version in opening.versions:
            for arguments in foreign.iptables_insertions(lines, opening):
                _iptables(tool, *arguments)
    for chain, rules in _nft_seen():
        if chain.concerns(opening):
            commands = foreign.nft_insertions(chain, rules, opening)
            if commands:
                nft.run("\n".join(commands) + "\n")


def close_forwarding(bridge: str) -> None:
    """Take our accepts for a bridge out of every chain of others; idempotent."""
    for tool, lines in _iptables_seen():
        for arguments in foreign.iptables_withdrawals(lines, bridge):
            _iptables(tool, *arguments)
    for chain, rules in _nft_seen():
        commands = foreign.nft_withdrawals(chain, rules, bridge)
        if commands:
            nft.run("\n".join(commands) + "\n")


def _chains() -> tuple[foreign.ForwardChain, ...]:
    return foreign.forward_chains(nft.listing("list chains") or ())


def _nft_seen() -> _NftSeen:
    """Each chain with its whole table: what it does may be decided in chains that it jumps to."""
    return [
        (chain, tuple(nft.listing(f"list table {chain.family} {chain.table}") or ()))
        for chain in _chains()
        if not chain.is_iptables
    ]


def _iptables_seen() -> _IptablesSeen:
    """What each iptables that has a filter table says; one without is not asked, it would make one."""
    return [*_iptables_nft_seen(), *_legacy_seen()]


def _iptables_nft_seen() -> _IptablesSeen:
    families = {chain.family for chain in _chains() if chain.is_iptables}
    return [
        (tool, tuple(_iptables(tool, "-S").splitlines()))
        for tool in _NFT_TOOLS
        if ("ip6" if tool.version == 6 else "ip") in families
    ]


def _legacy_seen() -> _IptablesSeen:
    return [
        (tool, tuple(_iptables(tool, "-S").splitlines()))
        for tool in _LEGACY_TOOLS
        if _has_filter(tool.tables)
    ]


def _has_filter(tables: str) -> bool:
    try:
        with open(tables, encoding="ascii") as file:
            return "filter" in file.read().split()
    except OSError:
        return False


def _iptables(tool: _Tool, *arguments: str) -> str:
    done = process.run([tool.name, "-w", *arguments], seconds=_SECONDS)
    if done.exit_code != 0:
        message = f"{tool.name} {' '.join(arguments)}: {done.said}"
        raise errors.NetworkFailure(message)
    return done.output.decode(errors="replace")
