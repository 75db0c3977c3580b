"""What is put into other firewalls' chains, and taken out again."""

from __future__ import annotations

import attrs
import pytest

from composer.network import foreign

OPENING = foreign.Opening(bridge="cpb1", stack="shop")
END = ("-m", "comment", "--comment", "composer:shop", "-j", "ACCEPT")
IN = ("-i", "cpb1", *END)
OUT = ("-o", "cpb1", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT", *END)

PLAIN = ("-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-P OUTPUT ACCEPT")
DROP = ("-P INPUT ACCEPT", "-P FORWARD DROP", "-P OUTPUT ACCEPT")
DOCKER = (
    *DROP,
    "-N DOCKER-USER",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o docker0 -j DOCKER",
    "-A DOCKER-USER -j RETURN",
)


def _at(chain: str, number: int, *rules: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(("-I", chain, str(number), *rule) for rule in rules)


def _end(chain: str, *rules: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(("-A", chain, *rule) for rule in rules)


REJECTING = (*PLAIN, "-A FORWARD -s 10.9.9.9/32 -j DROP", "-A FORWARD -j REJECT --reject-with x")
UFW = (
    *DROP,
    "-N ufw-before-forward",
    "-N ufw-user-forward",
    "-N ufw-reject-forward",
    "-A FORWARD -j ufw-before-forward",
    "-A FORWARD -j ufw-reject-forward",
    "-A ufw-before-forward -j ufw-user-forward",
    "-A ufw-user-forward -p tcp -m tcp --dport 81 -j DROP",
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (PLAIN, ()),
        ((), ()),
        (DROP, _end("FORWARD", IN, OUT)),
        (DOCKER, _at("DOCKER-USER", 1, IN, OUT)),
        # An administrator's word in Docker's chain for users comes before ours.
        (
            (*DOCKER[:-1], "-A DOCKER-USER -p tcp -j DROP", DOCKER[-1]),
            _at("DOCKER-USER", 2, IN, OUT),
        ),
        (DOCKER[:-1], _end("DOCKER-USER", IN, OUT)),
        (REJECTING, _at("FORWARD", 2, IN, OUT)),
        (UFW, _end("FORWARD", IN, OUT)),
        ((*UFW, "-A ufw-reject-forward -j REJECT --reject-with x"), _at("FORWARD", 2, IN, OUT)),
        ((*PLAIN, "-A FORWARD -g last", "-A last -p udp -j DROP", "-A last -j DROP"), _at("FORWARD", 1, IN, OUT)),
        ((*PLAIN, "-A FORWARD -j a", "-A a -j RETURN", "-A a -j DROP"), ()),
        ((*PLAIN, "-A FORWARD -j a", "-A a -j a"), ()),
        ((*PLAIN, "-A FORWARD -i eth0 -j DROP"), ()),
        ((*DROP, f"-A FORWARD {' '.join(IN)}"), _end("FORWARD", OUT)),
        ((*DROP, f"-A FORWARD {' '.join(IN)}", f"-A FORWARD {' '.join(OUT)}"), ()),
        # Docker started after us: what stands in FORWARD is passed by its own policy no longer.
        (
            (*DOCKER, f"-A FORWARD {' '.join(IN)}", f"-A FORWARD {' '.join(OUT)}"),
            _at("DOCKER-USER", 1, IN, OUT),
        ),
        (
            (*DROP, f"-A FORWARD {' '.join(IN).replace('cpb1', 'cpb2')}"),
            _end("FORWARD", IN, OUT),
        ),
    ],
)  # fmt: skip
def test_iptables_insertions(lines: tuple[str, ...], expected: tuple[foreign.Arguments, ...]) -> None:
    assert foreign.iptables_insertions(lines, OPENING) == expected


def test_iptables_withdrawals_take_only_ours() -> None:
    lines = (
        *DOCKER,
        f"-A DOCKER-USER {' '.join(IN)}",
        '-A FORWARD -i cpb1 -m comment --comment "composer:shop" -j ACCEPT',
        "-A FORWARD -i cpb1 -m comment --comment mine -j ACCEPT",
        f"-A FORWARD {' '.join(IN).replace('cpb1', 'cpb2')}",
        "-A FORWARD -i cpb1 -j ACCEPT",
    )
    assert foreign.iptables_withdrawals(lines, "cpb1") == (
        ("-D", "DOCKER-USER", *IN),
        ("-D", "FORWARD", *IN),
    )


CHAIN = foreign.ForwardChain(family="inet", table="fw", name="fwd", policy="drop")


def test_forward_chains_are_others() -> None:
    def chain(**fields: str) -> dict:
        return {"chain": {"family": "inet", "table": "fw", "name": "fwd", "hook": "forward", **fields}}

    listed = [
        {"metainfo": {}},
        chain(policy="drop"),
        chain(table="composer_1234"),
        chain(hook="input"),
        chain(family="ip6"),
        chain(family="bridge"),
        {"chain": {"family": "inet", "table": "fw", "name": "regular"}},
        chain(family="ip", table="filter", name="FORWARD", policy="accept"),
        chain(family="ip6", table="filter", name="FORWARD", policy="accept"),
    ]
    found = foreign.forward_chains(listed)
    assert found[0] == CHAIN
    assert [chain.is_iptables for chain in found] == [False, False, True, True]
    assert [chain.concerns(OPENING) for chain in found] == [True, False, True, False]
    both = attrs.evolve(OPENING, versions=(4, 6))
    assert all(chain.concerns(both) for chain in found)


@pytest.mark.parametrize(
    ("policy", "expressions", "blocks"),
    [
        ("drop", [], True),
        ("accept", [], False),
        ("accept", [{"reject": None}], True),
        ("accept", [{"counter": {"packets": 1}}, {"drop": None}], True),
        ("accept", [{"match": {}}, {"drop": None}], False),
        ("accept", [{"accept": None}], False),
    ],
)
def test_nft_blocks(policy: str, expressions: list[dict], *, blocks: bool) -> None:
    chain = foreign.ForwardChain(family="inet", table="fw", name="fwd", policy=policy)
    assert foreign.nft_blocks(chain, [{"rule": {"chain": "fwd", "handle": 4, "expr": expressions}}]) is blocks


def _ours(kind: str, handle: int, bridge: str = "cpb1", comment: str = "composer:shop") -> dict:
    key = "iifname" if kind == "iifname" else "oifname"
    expressions: list[dict] = [{"match": {"left": {"meta": {"key": key}}, "right": bridge}}]
    if kind != "iifname":
        expressions.append({"match": {"left": {"ct": {}}, "right": kind}})
    return {
        "rule": {
            "chain": "fwd",
            "handle": handle,
            "comment": comment,
            "expr": [*expressions, {"accept": None}],
        }
    }


def test_nft_insertions_put_in_what_is_missing() -> None:
    assert len(foreign.nft_insertions(CHAIN, [], OPENING)) == 3
    some = [_ours("iifname", 5), _ours("dnat", 6)]
    (command,) = foreign.nft_insertions(CHAIN, some, OPENING)
    assert command == (
        'add rule inet fw fwd oifname "cpb1" ct state { established, related } accept comment "composer:shop"'
    )
    assert foreign.nft_insertions(CHAIN, [*some, _ours("established", 7)], OPENING) == ()
    assert len(foreign.nft_insertions(CHAIN, [_ours("dnat", 6, bridge="cpb2")], OPENING)) == 3


def _plain(chain: str, handle: int, *expressions: dict) -> dict:
    return {"rule": {"chain": chain, "handle": handle, "expr": list(expressions)}}


CONDITION = {"match": {"left": {"meta": {"key": "iifname"}}, "right": "eth0"}}


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        # An administrator's rule keeps its say; what refuses the rest comes behind ours.
        ([_plain("fwd", 3, CONDITION, {"drop": None}), _plain("fwd", 4, {"reject": None})], "position 4"),
        # firewalld: zones are chains that are jumped to, and the last of them refuses.
        (
            [
                _plain("fwd", 3, {"jump": {"target": "zones"}}),
                _plain("fwd", 4, {"reject": None}),
                _plain("zones", 5, CONDITION, {"goto": {"target": "internal"}}),
                _plain("zones", 6, {"goto": {"target": "public"}}),
                _plain("public", 7, {"jump": {"target": "allow"}}),
                _plain("public", 8, {"reject": None}),
            ],
            "position 3",
        ),
        ([_plain("fwd", 3, {"jump": {"target": "fwd"}}), _plain("fwd", 4, {"drop": None})], "position 3"),
    ],
)
def test_nft_insertions_stand_as_late_as_they_can(rules: list[dict], place: str) -> None:
    chain = attrs.evolve(CHAIN, policy="accept")
    commands = foreign.nft_insertions(chain, rules, OPENING)
    assert len(commands) == 3
    assert all(command.startswith(f"insert rule inet fw fwd {place} ") for command in commands)


def test_nft_withdrawals_take_only_ours() -> None:
    listed = [_ours("dnat", 6), _ours("dnat", 7, bridge="cpb2"), _ours("dnat", 8, comment="mine")]
    assert foreign.nft_withdrawals(CHAIN, listed, "cpb1") == ("delete rule inet fw fwd handle 6",)


def test_fenced_bridges_are_dockers() -> None:
    kinds = {
        "docker0": "bridge",
        "br-0123456789ab": "bridge",
        "br-lan": "bridge",
        "br-0123456789ac": "dummy",
        "cpb1": "bridge",
    }
    assert foreign.fenced_bridges(kinds) == ("br-0123456789ab", "docker0")
