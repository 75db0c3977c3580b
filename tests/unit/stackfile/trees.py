"""Located trees written as YAML in a test."""

from __future__ import annotations

from composer.stackfile import yamltree
from composer.stackfile.tree import Node, plain


def tree(text: str, file: str = "compose.yaml") -> Node:
    """The one document of a text."""
    (node,) = yamltree.read_documents(text.encode(), file)
    return node


def data(text: str) -> object:
    """What a text means, without places."""
    return plain(tree(text))
