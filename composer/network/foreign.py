"""Other firewalls' forward chains -> the tagged accepts that must be in them for our bridges.

An accept in our table cannot override a drop in another base chain (nftables: every base chain of a
hook has its say), so where Docker, ufw, firewalld or an administrator drops what is forwarded by
default, our bridges are accepted *in that chain*.  What is accepted there is only what our own table
guards (``ruleset``): everything from our bridges, and into them only answers and published ports.
Each rule carries the comment ``composer:<stack>``; ``withdrawals`` finds it again by comment and bridge.

Ours stand as late as they can: before the first rule that refuses everything, or at the end where the
chain's policy does.  So whatever an administrator wrote for certain packets keeps its say over them,
Docker's chain for users first of all.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Mapping, Sequence

import attrs

from composer.host.nft import Listed

_OURS = "composer_"
_USER_CHAIN = "DOCKER-USER"
_INBOUND = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT")
_REFUSALS = ("DROP", "REJECT")
_NEUTRAL = ("counter", "log")
_DEEPEST = 16
"""Chains that jump to each other are followed that far (the kernel itself allows 16)."""

Arguments = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Opening:
    """One bridge that must be able to forward, and the stack it belongs to."""

    bridge: str
    stack: str
    versions: tuple[int, ...] = (4,)

    @property
    def tag(self) -> str:
        """The comment on every rule made for it."""
        return f"composer:{self.stack}"


@attrs.frozen(kw_only=True)
class ForwardChain:
    """A base chain of another nft table that sees forwarded packets."""

    family: str
    table: str
    name: str
    policy: str = "accept"

    @property
    def place(self) -> str:
        """``family table chain``: how nft commands name it."""
        return f"{self.family} {self.table} {self.name}"

    @property
    def is_iptables(self) -> bool:
        """Whether the iptables-nft tool owns it (nft must not write there)."""
        return self.family in ("ip", "ip6") and (self.table, self.name) == ("filter", "FORWARD")

    def concerns(self, opening: Opening) -> bool:
        """Whether it sees packets of a family that the bridge has."""
        return self.family == "inet" or (6 if self.family == "ip6" else 4) in opening.versions


# --------------------------------------------------------------------------- iptables, both kinds


def iptables_blocks(lines: Sequence[str]) -> bool:
    """Whether ``iptables -S`` shows a FORWARD chain that drops or rejects what nobody accepted."""
    rules = _rules_by_chain(lines)
    is_dropping = ("-P", "FORWARD", "DROP") in map(_words, lines)
    return is_dropping or bool(_refusal_at(rules, "FORWARD"))


def iptables_insertions(lines: Sequence[str], opening: Opening) -> tuple[Arguments, ...]:
    """The argument lists that put in what is missing; none where nothing blocks.

    Docker's own chain for users is preferred: Docker keeps its content and jumps to it first.  It ends
    with a ``RETURN`` in older versions, which must stay behind.
    """
    if not iptables_blocks(lines):
        return ()
    rules = _rules_by_chain(lines)
    if ("-j", _USER_CHAIN) in rules.get("FORWARD", ()):
        chain = _USER_CHAIN
        returns = [number for number, rule in enumerate(rules.get(chain, ()), 1) if rule == ("-j", "RETURN")]
        position = returns[0] if returns else 0
    else:
        chain, position = "FORWARD", _refusal_at(rules, "FORWARD")
    place = ("-I", chain, str(position)) if position else ("-A", chain)
    return tuple(
        (*place, *rule)
        for direction, rule in _iptables_rules(opening).items()
        if not any(_is_for(words, opening, direction) for words in rules.get(chain, ()))
    )


def _rules_by_chain(lines: Sequence[str]) -> dict[str, list[Arguments]]:
    found: dict[str, list[Arguments]] = {}
    for words in map(_words, lines):
        if words[:1] == ("-A",) and len(words) > 1:
            found.setdefault(words[1], []).append(words[2:])
    return found


def _refusal_at(rules: Mapping[str, Sequence[Arguments]], chain: str, *, depth: int = 0) -> int:
    """The number of the rule from which on everything is refused; 0 when there is none."""
    if depth > _DEEPEST:
        return 0
    for number, rule in enumerate(rules.get(chain, ()), 1):
        verb, target = (rule[0], rule[1]) if len(rule) > 1 else ("", "")
        is_for_all = verb in ("-j", "-g") and (len(rule) == 2 or target == "REJECT")
        if not is_for_all:
            continue
        if target in _REFUSALS or _refusal_at(rules, target, depth=depth + 1):
            return number
        if target in ("ACCEPT", "RETURN") or verb == "-g":
            return 0
    return 0


def iptables_withdrawals(lines: Sequence[str], bridge: str) -> tuple[Arguments, ...]:
    """The argument lists that delete every tagged rule of a bridge, wherever it stands."""
    found = []
    for line in lines:
        words = _words(line)
        is_tagged = any(word.startswith("composer:") for word in words)
        if words[:1] == ("-A",) and is_tagged and bridge in words:
            found.append(("-D", *words[1:]))
    return tuple(found)


def _iptables_rules(opening: Opening) -> dict[str, Arguments]:
    end = ("-m", "comment", "--comment", opening.tag, "-j", "ACCEPT")
    return {
        "-i": ("-i", opening.bridge, *end),
        "-o": ("-o", opening.bridge, *_INBOUND, *end),
    }


def _is_for(words: Arguments, opening: Opening, direction: str) -> bool:
    pairs = list(itertools.pairwise(words))
    return (
        (direction, opening.bridge) in pairs and ("--comment", opening.tag) in pairs and words[-1] == "ACCEPT"
    )


def _words(line: str) -> Arguments:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return tuple(line.split())


# --------------------------------------------------------------------------- nftables


def forward_chains(listed: Sequence[Listed]) -> tuple[ForwardChain, ...]:
    """Others' base chains at the forward hook that IP packets pass, from ``list chains``."""
    found = []
    for item in listed:
        chain = item.get("chain")
        if (
            chain is None
            or chain.get("hook") != "forward"
            or chain.get("family") not in ("ip", "ip6", "inet")
        ):
            continue
        if str(chain["table"]).startswith(_OURS):
            continue
        found.append(
            ForwardChain(
                family=str(chain["family"]),
                table=str(chain["table"]),
                name=str(chain["name"]),
                policy=str(chain.get("policy", "accept")),
            )
        )
    return tuple(found)


def nft_blocks(chain: ForwardChain, listed: Sequence[Listed]) -> bool:
    """Whether a chain drops what nobody accepted: by its policy, or by an unconditional last word.

    ``listed`` is the chain's whole table: the word may be that of a chain it jumps to.
    """
    return chain.policy == "drop" or _refusing_rule(chain.name, listed) is not None


def nft_insertions(chain: ForwardChain, listed: Sequence[Listed], opening: Opening) -> tuple[str, ...]:
    """The commands that put in what is missing; none where nothing blocks."""
    if not nft_blocks(chain, listed):
        return ()
    own = [item["rule"] for item in listed if "rule" in item and item["rule"].get("chain") == chain.name]
    there = [json.dumps(rule.get("expr")) for rule in own if rule.get("comment") == opening.tag]
    rules = {
        "iifname": f'iifname "{opening.bridge}" accept',
        "oifname": f'oifname "{opening.bridge}" ct status dnat accept',
        "established": f'oifname "{opening.bridge}" ct state {{ established, related }} accept',
    }
    marks = {"iifname": "iifname", "oifname": "dnat", "established": "established"}
    quoted = f'"{opening.bridge}"'
    handle = _refusing_rule(chain.name, listed)
    command = f"add rule {chain.place}" if handle is None else f"insert rule {chain.place} position {handle}"
    return tuple(
        f'{command} {rule} comment "{opening.tag}"'
        for kind, rule in rules.items()
        if not any(f'"{marks[kind]}"' in text and quoted in text for text in there)
    )


def _refusing_rule(chain: str, listed: Sequence[Listed], *, depth: int = 0) -> object | None:
    """The handle of the rule from which on a chain refuses everything."""
    if depth > _DEEPEST:
        return None
    for item in listed:
        rule = item.get("rule")
        if rule is None or rule.get("chain") != chain:
            continue
        match _verdict(rule):
            case {"drop": _} | {"reject": _}:
                return rule.get("handle")
            case {"accept": _} | {"return": _}:
                return None
            case {"jump": {"target": str(target)}}:
                if _refusing_rule(target, listed, depth=depth + 1) is not None:
                    return rule.get("handle")
            case {"goto": {"target": str(target)}}:
                is_refusing = _refusing_rule(target, listed, depth=depth + 1) is not None
                return rule.get("handle") if is_refusing else None
    return None


def _verdict(rule: Mapping[str, object]) -> object:
    """What an unconditional rule does; ``None`` for one with conditions."""
    expressions = rule.get("expr")
    if not isinstance(expressions, list):
        return None
    telling = [one for one in expressions if isinstance(one, dict) and next(iter(one), "") not in _NEUTRAL]
    return telling[0] if len(telling) == 1 else None


def nft_withdrawals(chain: ForwardChain, listed: Sequence[Listed], bridge: str) -> tuple[str, ...]:
    """The commands that delete every tagged rule of a bridge in a chain."""
    return tuple(
        f"delete rule {chain.place} handle {item['rule']['handle']}"
        for item in listed
        if "rule" in item
        and item["rule"].get("chain") == chain.name
        and str(item["rule"].get("comment", "")).startswith("composer:")
        and f'"{bridge}"' in json.dumps(item["rule"].get("expr"))
    )


def fenced_bridges(kinds: dict[str, str]) -> tuple[str, ...]:
    """Docker's bridges among the links (name -> kind): our containers must not enter them unasked."""
    return tuple(sorted(name for name, kind in kinds.items() if kind == "bridge" and _is_docker(name)))


def _is_docker(name: str) -> bool:
    identity = name.removeprefix("br-")
    is_hexadecimal = all(digit in "0123456789abcdef" for digit in identity)
    return name in ("docker0", "docker_gwbridge") or (
        name.startswith("br-") and len(identity) == 12 and is_hexadecimal
    )
