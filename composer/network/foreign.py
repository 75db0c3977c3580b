"""Other firewalls' forward chains -> the tagged accepts that must be in them for our bridges.

An accept in our table cannot override a drop in another base chain (nftables: every base chain of a
hook has its say), so where Docker, ufw, firewalld or an administrator drops what is forwarded by
default, our bridges are accepted *in that chain*.  What is accepted there is only what our own table
guards (``ruleset``): everything from our bridges, and into them only answers and published ports.
Each rule carries the comment ``composer:<stack>``; ``withdrawals`` finds it again by comment and bridge.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Sequence

import attrs

from composer.host.nft import Listed

_OURS = "composer_"
_USER_CHAIN = "DOCKER-USER"
_INBOUND = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT")
_REFUSALS = ("DROP", "REJECT")
_NEUTRAL = ("counter", "log")

Arguments = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Opening:
    """One bridge that must be able to forward, and the stack it belongs to."""

    bridge: str
    stack: str

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
        return (self.family, self.table, self.name) == ("ip", "filter", "FORWARD")


# --------------------------------------------------------------------------- iptables, both kinds


def iptables_blocks(lines: Sequence[str]) -> bool:
    """Whether ``iptables -S`` shows a FORWARD chain that drops or rejects what nobody accepted."""
    for line in lines:
        words = _words(line)
        if words[:3] == ("-P", "FORWARD", "DROP"):
            return True
        if words[:3] == ("-A", "FORWARD", "-j") and words[3:4] and words[3] in _REFUSALS:
            return True
    return False


def iptables_insertions(lines: Sequence[str], opening: Opening) -> tuple[Arguments, ...]:
    """The argument lists that put in what is missing; none where nothing blocks.

    Docker's own chain for users is preferred: Docker keeps its content and jumps to it first.
    """
    if not iptables_blocks(lines):
        return ()
    known = [_words(line) for line in lines]
    is_docker = ("-A", "FORWARD", "-j", _USER_CHAIN) in known
    chain = _USER_CHAIN if is_docker else "FORWARD"
    there = [words for words in known if words[:2] == ("-A", chain)]
    return tuple(
        ("-I", chain, *rule)
        for direction, rule in _iptables_rules(opening).items()
        if not any(_is_for(words, opening, direction) for words in there)
    )


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
    """Others' base chains at the forward hook that IPv4 packets pass, from ``list chains``."""
    found = []
    for item in listed:
        chain = item.get("chain")
        if chain is None or chain.get("hook") != "forward" or chain.get("family") not in ("ip", "inet"):
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
    """Whether a chain drops what nobody accepted: by its policy, or by an unconditional last word."""
    return chain.policy == "drop" or any(_refuses_all(item["rule"]) for item in listed if "rule" in item)


def nft_insertions(chain: ForwardChain, listed: Sequence[Listed], opening: Opening) -> tuple[str, ...]:
    """The commands that put in what is missing; none where nothing blocks."""
    if not nft_blocks(chain, listed):
        return ()
    there = [
        json.dumps(item["rule"].get("expr"))
        for item in listed
        if "rule" in item and item["rule"].get("comment") == opening.tag
    ]
    rules = {
        "iifname": f'iifname "{opening.bridge}" accept',
        "oifname": f'oifname "{opening.bridge}" ct status dnat accept',
        "established": f'oifname "{opening.bridge}" ct state {{ established, related }} accept',
    }
    marks = {"iifname": "iifname", "oifname": "dnat", "established": "established"}
    quoted = f'"{opening.bridge}"'
    return tuple(
        f'insert rule {chain.place} {rule} comment "{opening.tag}"'
        for kind, rule in rules.items()
        if not any(f'"{marks[kind]}"' in text and quoted in text for text in there)
    )


def nft_withdrawals(chain: ForwardChain, listed: Sequence[Listed], bridge: str) -> tuple[str, ...]:
    """The commands that delete every tagged rule of a bridge in a chain."""
    return tuple(
        f"delete rule {chain.place} handle {item['rule']['handle']}"
        for item in listed
        if "rule" in item
        and str(item["rule"].get("comment", "")).startswith("composer:")
        and f'"{bridge}"' in json.dumps(item["rule"].get("expr"))
    )


def _refuses_all(rule: object) -> bool:
    expressions = rule.get("expr", []) if isinstance(rule, dict) else []
    kinds = [
        next(iter(expression))
        for expression in expressions
        if isinstance(expression, dict) and next(iter(expression), "") not in _NEUTRAL
    ]
    return kinds in (["drop"], ["reject"])


def fenced_bridges(kinds: dict[str, str]) -> tuple[str, ...]:
    """Docker's bridges among the links (name -> kind): our containers must not enter them unasked."""
    return tuple(sorted(name for name, kind in kinds.items() if kind == "bridge" and _is_docker(name)))


def _is_docker(name: str) -> bool:
    identity = name.removeprefix("br-")
    is_hexadecimal = all(digit in "0123456789abcdef" for digit in identity)
    return name in ("docker0", "docker_gwbridge") or (
        name.startswith("br-") and len(identity) == 12 and is_hexadecimal
    )
