"""What is put into other firewalls' chains, and taken out again."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (PLAIN, ()),
        ((), ()),
        (DROP, (("-I", "FORWARD", *IN), ("-I", "FORWARD", *OUT))),
        (DOCKER, (("-I", "DOCKER-USER", *IN), ("-I", "DOCKER-USER", *OUT))),
        ((*PLAIN, "-A FORWARD -j REJECT --reject-with x"), (("-I", "FORWARD", *IN), ("-I", "FORWARD", *OUT))),
        ((*PLAIN, "-A FORWARD -i eth0 -j DROP"), ()),
        ((*DROP, f"-A FORWARD {' '.join(IN)}"), (("-I", "FORWARD", *OUT),)),
        ((*DROP, f"-A FORWARD {' '.join(IN)}", f"-A FORWARD {' '.join(OUT)}"), ()),
        # Docker started after us: what stands in FORWARD is passed by its own policy no longer.
        (
            (*DOCKER, f"-A FORWARD {' '.join(IN)}", f"-A FORWARD {' '.join(OUT)}"),
            (("-I", "DOCKER-USER", *IN), ("-I", "DOCKER-USER", *OUT)),
        ),
        (
            (*DROP, f"-A FORWARD {' '.join(IN).replace('cpb1', 'cpb2')}"),
            (("-I", "FORWARD", *IN), ("-I", "FORWARD", *OUT)),
        ),
    ],
)
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


def test_forward_chains_are_others_and_see_ipv4() -> None:
    def chain(**fields: str) -> dict:
        return {"chain": {"family": "inet", "table": "fw", "name": "fwd", "hook": "forward", **fields}}

    listed = [
        {"metainfo": {}},
        chain(policy="drop"),
        chain(table="composer_1234"),
        chain(hook="input"),
        chain(family="ip6"),
        {"chain": {"family": "inet", "table": "fw", "name": "regular"}},
        chain(family="ip", table="filter", name="FORWARD", policy="accept"),
    ]
    found = foreign.forward_chains(listed)
    assert found[0] == CHAIN
    assert [chain.is_iptables for chain in found] == [False, True]


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
    assert foreign.nft_blocks(chain, [{"rule": {"expr": expressions}}]) is blocks


def _ours(kind: str, handle: int, bridge: str = "cpb1", comment: str = "composer:shop") -> dict:
    key = "iifname" if kind == "iifname" else "oifname"
    expressions: list[dict] = [{"match": {"left": {"meta": {"key": key}}, "right": bridge}}]
    if kind != "iifname":
        expressions.append({"match": {"left": {"ct": {}}, "right": kind}})
    return {"rule": {"handle": handle, "comment": comment, "expr": [*expressions, {"accept": None}]}}


def test_nft_insertions_put_in_what_is_missing() -> None:
    assert len(foreign.nft_insertions(CHAIN, [], OPENING)) == 3
    some = [_ours("iifname", 5), _ours("dnat", 6)]
    (command,) = foreign.nft_insertions(CHAIN, some, OPENING)
    assert command == (
        'insert rule inet fw fwd oifname "cpb1" ct state { established, related } accept'
        ' comment "composer:shop"'
    )
    assert foreign.nft_insertions(CHAIN, [*some, _ours("established", 7)], OPENING) == ()
    assert len(foreign.nft_insertions(CHAIN, [_ours("dnat", 6, bridge="cpb2")], OPENING)) == 3


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
