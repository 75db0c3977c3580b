"""Manifests: both families are read, and what is hostile or ambiguous is refused (reliability L37-40)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.model import manifest
from composer.model.distribution import Descriptor, Platform

D1, D2, D3 = (f"sha256:{digit * 64}" for digit in "123")
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def part(media_type: str, digest: str = D1, size: object = 10, **fields: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size, **fields}


def image(**fields: object) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": manifest.OCI_MANIFEST,
        "config": part(manifest.OCI_CONFIG),
        "layers": [part(GZIP, D2)],
        **fields,
    }


def index(*children: dict[str, object], **fields: object) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": manifest.OCI_INDEX, "manifests": list(children), **fields}


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


def parse(document: object, media_type: str = "") -> manifest.Manifest | manifest.Index:
    return manifest.parse(json.dumps(document).encode(), media_type)


def test_an_oci_manifest() -> None:
    found = parse(image(annotations={"a": "b"}), manifest.OCI_MANIFEST)
    assert found == manifest.Manifest(
        media_type=manifest.OCI_MANIFEST,
        config=Descriptor(media_type=manifest.OCI_CONFIG, digest=D1, size=10),
        layers=(Descriptor(media_type=GZIP, digest=D2, size=10),),
        annotations={"a": "b"},
    )


@pytest.mark.parametrize(
    "layer",
    [
        GZIP,
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ],
)
def test_kinds_of_layers(layer: str) -> None:
    found = parse(image(layers=[part(layer)]))
    assert isinstance(found, manifest.Manifest)
    assert found.layers[0].media_type == layer


def test_an_index_with_platforms() -> None:
    child = part(
        manifest.OCI_MANIFEST,
        platform={"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1"},
    )
    found = parse(index(child))
    assert isinstance(found, manifest.Index)
    assert found.children[0].platform == Platform(os="linux", architecture="arm", variant="v7")


@pytest.mark.parametrize("announced", ["", "application/json", "text/plain; charset=utf-8"])
def test_a_server_of_plain_files_leaves_the_kind_to_the_document(announced: str) -> None:
    assert parse(image(), announced).media_type == manifest.OCI_MANIFEST
    docker = image(mediaType=manifest.DOCKER_MANIFEST)
    assert parse(docker, announced).media_type == manifest.DOCKER_MANIFEST
    assert parse(without(image(), "mediaType"), announced).media_type == manifest.OCI_MANIFEST
    assert parse(without(index(), "mediaType"), announced).media_type == manifest.OCI_INDEX


def test_what_is_written_reads_back() -> None:
    value = parse(image(annotations={"b": "2", "a": "1"}))
    assert isinstance(value, manifest.Manifest)
    assert manifest.parse(manifest.to_json(value)) == value


@pytest.mark.parametrize(
    ("document", "announced", "said"),
    [
        ([], "", "object"),
        ({}, "", "schemaVersion"),
        ({"schemaVersion": 1, "fsLayers": []}, "", "schema 1"),
        (image(), "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (image(), manifest.OCI_INDEX, "calls itself"),
        (image(), manifest.DOCKER_MANIFEST, "calls itself"),
        (without(image(), "mediaType"), manifest.OCI_INDEX, "which it is not"),
        (without(index(), "mediaType"), manifest.OCI_MANIFEST, "which it is not"),
        (image(manifests=[]), "", "ambiguous"),
        (index(layers=[]), "", "ambiguous"),
        (image(mediaType="text/html"), "", "not a container image"),
        (image(mediaType=5), "", "mediaType"),
        (image(config=part("application/vnd.cncf.helm.config.v1+json")), "", "helm"),
        (image(config=part(manifest.OCI_INDEX)), "", "not a container image"),
        (image(config=part(manifest.OCI_CONFIG, size=5 << 20)), "", "larger"),
        (image(layers=[part("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]), "", "Windows"),
        (image(layers=[part(manifest.OCI_CONFIG)]), "", "unknown kind"),
        (image(layers=[part(GZIP)] * 10_000), "", "10000 layers"),
        (index(*[part(manifest.OCI_MANIFEST)] * 10_000), "", "10000 manifests"),
        (image(layers={}), "", "list"),
        (image(layers=[None]), "", "descriptor"),
        (image(layers=[part(GZIP, "sha256:../../x")]), "", "not a SHA-256 digest"),
        (image(layers=[part(GZIP, "sha512:" + "0" * 128)]), "", "not a SHA-256 digest"),
        (image(layers=[part(GZIP, "sha256:" + "٣" * 64)]), "", "not a SHA-256 digest"),
        (image(layers=[part(GZIP, D1 + "\n")]), "", "not a SHA-256 digest"),
        (image(layers=[part(GZIP, size=-1)]), "", "size"),
        (image(layers=[part(GZIP, size=True)]), "", "size"),
        (image(layers=[part(GZIP, size=1e3)]), "", "size"),
        (image(layers=[part(GZIP, size=2**63)]), "", "size"),
    ],
    ids=str,
)
def test_what_is_refused(document: object, announced: str, said: str) -> None:
    with pytest.raises(errors.ImageError, match=said):
        parse(document, announced)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"{", b"[" * 100_000, b" " * (manifest.LARGEST + 1)],
    ids=["empty", "binary", "torn", "deep", "large"],
)
def test_what_is_no_document_at_all(content: bytes) -> None:
    with pytest.raises(errors.ImageError):
        manifest.parse(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "annotations",
    "digest",
    "size",
    "platform",
)


@given(
    st.sampled_from(["image", "index"]),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3),
    st.sampled_from(["", *manifest.MANIFESTS, *manifest.INDEXES, "text/html"]),
)
def test_whatever_comes_is_read_or_refused(
    kind: str, top: dict[str, object], inner: dict[str, object], announced: str
) -> None:
    document = (
        image(config={**part(manifest.OCI_CONFIG), **inner})
        if kind == "image"
        else index({**part(GZIP), **inner})
    )
    try:
        found = parse({**document, **top}, announced)
    except errors.ImageError:
        return
    named = [found.config, *found.layers] if isinstance(found, manifest.Manifest) else found.children
    assert all(manifest.is_digest(one.digest) and one.size >= 0 for one in named)
