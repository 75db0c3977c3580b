"""The fence as text: the guards of the stack's table and nothing that opens."""

from __future__ import annotations

from composer.network import fence, ruleset

NETWORK = ruleset.GuardedNetwork(bridge="cpb1", subnet="172.24.0.0/24", is_internal=True)
PORT = ruleset.Forwarding(host_ip="", published=80, protocol="tcp", address="172.24.0.2", target=80)
RULES = ruleset.ruleset_for("composer_abc", [NETWORK], [PORT])


def test_it_refuses_what_the_stacks_table_refuses() -> None:
    text = fence.text_of(RULES, is_there=False)
    assert text.startswith("table inet composer_fence_abc {\n\tflags owner\n")
    drops = [rule for chain in RULES.chains for rule in chain.rules if rule.endswith("drop")]
    assert drops
    assert all(rule in text for rule in drops)


def test_it_translates_nothing() -> None:
    text = fence.text_of(RULES, is_there=False)
    assert "nat hook" not in text
    assert "masquerade" not in text
    assert "@published" not in text


def test_it_is_replaced_in_one_transaction() -> None:
    assert fence.text_of(RULES, is_there=True).startswith("delete table inet composer_fence_abc\ntable inet")


def test_a_foreign_firewall_is_not_looked_for_in_it() -> None:
    from composer.network import foreign

    chain = {"family": "inet", "table": "composer_fence_abc", "name": "forward", "hook": "forward"}
    assert foreign.forward_chains([{"chain": chain}]) == ()
