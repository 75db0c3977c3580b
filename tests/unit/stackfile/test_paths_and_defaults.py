"""Paths that become absolute, and what follows from what is written."""

from __future__ import annotations

import pytest

from composer.stackfile import normalise, paths
from composer.stackfile.tree import at, plain
from tests.unit.stackfile.trees import data, tree


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".", "/srv/shop"), ("./a", "/srv/shop/a"), ("a/../b", "/srv/shop/b"), ("../x", "/srv/x"), ("/abs/./x", "/abs/./x"),
        ("~", "/home/me"), ("~/x", "/home/me/x"),
    ],
)  # fmt: skip
def test_joined(path: str, expected: str) -> None:
    assert paths.joined("/srv/shop", path, "/home/me") == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("build: {context: a}", "build: {context: /srv/a}"),
        ("build: {context: 'https://example.com/x.git'}", "build: {context: 'https://example.com/x.git'}"),
        ("build: {context: a, dockerfile: b}", "build: {context: /srv/a, dockerfile: b}"),
        ("build: {additional_contexts: {a: ./b, c: 'docker-image://x', d: 'service:e'}}",
         "build: {additional_contexts: {a: /srv/b, c: 'docker-image://x', d: 'service:e'}}"),
        ("env_file: [{path: a.env}]", "env_file: [{path: /srv/a.env}]"),
        ("volumes: [{type: bind, source: ./a, target: /x}]", "volumes: [{type: bind, source: /srv/a, target: /x}]"),
        ("volumes: [{type: volume, source: a, target: /x}]", "volumes: [{type: volume, source: a, target: /x}]"),
        ("volumes: [{type: bind, source: 'C:\\a', target: /x}]", "volumes: [{type: bind, source: 'C:\\a', target: /x}]"),
        ("develop: {watch: [{path: src, action: rebuild}]}", "develop: {watch: [{path: /srv/src, action: rebuild}]}"),
    ],
)  # fmt: skip
def test_attributes(written: str, expected: str) -> None:
    root = tree(f"services: {{a: {{{written}}}}}")
    paths.absolute(root, "/srv", None)
    assert plain(at(root, ("services", "a"))) == data(expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{services: {a: {image: x}}}",
         "{services: {a: {image: x, networks: {default: }}}, networks: {default: {name: shop_default}}}"),
        ("{services: {a: {image: x, network_mode: host}}}", "{services: {a: {image: x, network_mode: host}}}"),
        ("{services: {a: {provider: {type: t}}}}", "{services: {a: {provider: {type: t}}}}"),
        ("{services: {a: {networks: {b: }}}, networks: {b: , c: {external: true}}}",
         "{services: {a: {networks: {b: }}}, networks: {b: {name: shop_b}, c: {external: true, name: c}}}"),
        ("{services: {a: {network_mode: none, build: {context: .}}}}",
         "{services: {a: {network_mode: none, build: {context: ., dockerfile: Dockerfile}}}}"),
        ("{services: {a: {network_mode: none, pull_policy: if_not_present}}}", "{services: {a: {network_mode: none, pull_policy: missing}}}"),
        ("{services: {a: {network_mode: none, scale: 2, deploy: {}}}}", "{services: {a: {network_mode: none, scale: 2, deploy: {replicas: 2}}}}"),
        ("{services: {a: {network_mode: 'service:b'}, b: {network_mode: none}}}",
         "{services: {a: {network_mode: 'service:b', depends_on: {b: {condition: service_started, restart: true, required: true}}}, b: {network_mode: none}}}"),
        ("{services: {a: {network_mode: none, volumes_from: ['b:ro', 'container:c']}}}",
         "{services: {a: {network_mode: none, volumes_from: ['b:ro', 'container:c'], depends_on: {b: {condition: service_started, restart: false, required: true}}}}}"),
        ("{services: {a: {network_mode: none, environment: {SET: , UNSET: , A: 1}}}}",
         "{services: {a: {network_mode: none, environment: {SET: there, UNSET: , A: 1}}}}"),
        ("{services: {a: {network_mode: none, build: {context: ., dockerfile: d, args: {SET: , UNSET: }}}}}",
         "{services: {a: {network_mode: none, build: {context: ., dockerfile: d, args: {SET: there}}}}}"),
        ("{services: {}, volumes: {v: {name: own}}, secrets: {s: {file: f}}}",
         "{services: {}, volumes: {v: {name: own}}, secrets: {s: {file: f, name: shop_s}}}"),
    ],
)  # fmt: skip
def test_what_follows(written: str, expected: str) -> None:
    root = tree(written)
    normalise.normalise(root, "shop", {"SET": "there"}.get)
    assert plain(root) == data(expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("build: {target: t}", "build: {target: t, context: .}"),
        ("ports: [{target: 1}]", "ports: [{target: 1, mode: ingress, protocol: tcp}]"),
        ("secrets: [{source: a}]", "secrets: [{source: a, target: /run/secrets/a}]"),
        ("gpus: [{count: all}]", "gpus: [{count: -1}]"),
        ("gpus: [{driver: x}]", "gpus: [{driver: x, count: -1}]"),
        ("gpus: [{device_ids: ['0']}]", "gpus: [{device_ids: ['0']}]"),
    ],
)
def test_defaults(written: str, expected: str) -> None:
    root = tree(f"services: {{a: {{{written}}}}}")
    normalise.fill_in(root)
    assert plain(at(root, ("services", "a"))) == data(expected)
