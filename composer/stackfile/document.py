"""``composer config``: the settled tree written back, as YAML or JSON, in long form.

Dollars are doubled, so that the output is a stack file that means the same.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from composer.stackfile import attributes
from composer.stackfile.shape import ANY, JSON, YAML, is_extension
from composer.stackfile.tree import Node

Tree = dict[str, Any]


def tree_of(root: Node, style: str) -> Tree:
    """A selected tree as plain data: JSON by name, YAML with services first and extensions last."""
    tree: Tree = {}
    for key, shape in attributes.STACK.fields.items():
        node = root.child(key)
        if node is not None and (key != "models" or style == YAML):
            tree[key] = shape.emit(node, style)
    tree.update((key, ANY.emit(node, style)) for key, node in root.entries() if is_extension(key))
    return dict(sorted(tree.items())) if style == JSON else tree


def raw_tree(root: Node) -> Tree:
    """The tree as it was merged, without types: what ``--no-interpolate`` shows."""
    tree = ANY.emit(root, YAML)
    assert isinstance(tree, dict)
    return tree


def as_json(tree: Tree) -> str:
    """JSON as Docker Compose writes it: two spaces, ``& < >`` escaped for web pages."""
    return _escaped(json.dumps(tree, indent=2, ensure_ascii=False)) + "\n"


def as_yaml(tree: Tree) -> str:
    """The stack as YAML."""
    import yaml

    # libyaml's emitter is ten times as quick; not every build of PyYAML has it.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(tree, Dumper=dumper, sort_keys=False, allow_unicode=True, width=4096)
    return text


_NOT_HASHED = frozenset({"build", "depends_on", "profiles", "pull_policy", "scale"})
"""What changes no container."""


def service_hash(service: Node) -> str:
    """The digest of a service's configuration, as Docker Compose v2.40.3 computes it."""
    kept = {key: node for key, node in service.entries() if key not in _NOT_HASHED}
    deploy = kept.get("deploy")
    if deploy is not None and isinstance(deploy.value, dict):
        kept["deploy"] = Node(
            {key: node for key, node in deploy.value.items() if key != "replicas"}, deploy.place
        )
    tree = attributes.SERVICE.emit(Node(kept, service.place), JSON)
    text = _escaped(json.dumps(tree, ensure_ascii=False, separators=(",", ":")))
    return hashlib.sha256(text.encode()).hexdigest()


def _escaped(text: str) -> str:
    """As Go writes JSON: characters that mean something in web pages escaped."""
    for character in "&<>":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def dollars_doubled(value: Any) -> Any:
    """Every ``$`` of every text twice, so that reading it again gives it once."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {dollars_doubled(key): dollars_doubled(child) for key, child in value.items()}
    if isinstance(value, list):
        return [dollars_doubled(child) for child in value]
    return value
