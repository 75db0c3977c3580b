"""Archives of others, whole, odd and hostile: loaded, or refused and nothing left of them."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from composer import errors
from composer.image import loading
from composer.image.store import Store
from composer.model import manifest
from tests import images

pytestmark = pytest.mark.root  # layers keep their owners

BASE = images.tar_of({"etc": "base"})
TOP = images.tar_of({"app": "top"})


def archive_of(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def old_docker(**changes: object) -> dict[str, bytes]:
    """What ``docker save`` wrote until version 24."""
    config = images.config_of([BASE, TOP])
    entry = {
        "Config": "c0ffee.json",
        "RepoTags": ["app:1"],
        "Layers": ["one/layer.tar", "two/layer.tar"],
        **changes,
    }
    return {
        "one/VERSION": b"1.0",
        "one/json": b"{}",
        "one/layer.tar": BASE,
        "two/layer.tar": TOP,
        "c0ffee.json": config,
        "manifest.json": json.dumps([entry]).encode(),
        "repositories": b"{}",
    }


def layout(*, manifests: list[dict[str, object]] | None = None, **blobs: bytes) -> dict[str, bytes]:
    """An OCI image layout of one image with gzip layers."""
    layers = [gzip.compress(layer, mtime=0) for layer in (BASE, TOP)]
    config = images.config_of([BASE, TOP])
    document = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": manifest.OCI_MANIFEST,
            "config": entry(manifest.OCI_CONFIG, config),
            "layers": [entry(manifest.OCI_LAYER_GZIP, layer) for layer in layers],
        }
    ).encode()
    index = {
        "schemaVersion": 2,
        "manifests": [entry(manifest.OCI_MANIFEST, document)] if manifests is None else manifests,
    }
    whole = {path_of(blob): blob for blob in (*layers, config, document, *blobs.values())}
    return {
        **whole,
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
    }


def entry(media_type: str, content: bytes, **fields: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": images.digest_of(content), "size": len(content), **fields}


def path_of(content: bytes) -> str:
    return f"blobs/sha256/{images.digest_of(content).removeprefix('sha256:')}"


def load(store: Store, data: bytes) -> list[tuple[str, ...]]:
    return [one.tags for one in loading.load(store, io.BytesIO(data), images.ignore)]


def remains(store: Store) -> list[str]:
    found = store.blobs.digests() + store.layers.diff_ids()
    for directory in ("blobs/ingest", "layers/staging", "layers/making"):
        path = store.blobs.root.parent / directory
        found += os.listdir(path) if path.is_dir() else []
    return found


@pytest.mark.parametrize(
    "pack",
    [lambda data: data, gzip.compress, lzma.compress],
    ids=["plain", "gzip", "xz"],
)
def test_an_archive_of_an_old_docker(pack: Callable[[bytes], bytes], store: Store) -> None:
    assert load(store, pack(archive_of(old_docker()))) == [("docker.io/library/app:1",)]
    image = store.get("app:1")
    base, top = store.layer_paths(image)
    assert ((base / "etc").read_text(), (top / "app").read_text()) == ("base", "top")
    request = store.push_request(image, "app")
    assert all(layer.media_type == manifest.OCI_LAYER_GZIP for layer in request.layers)
    assert [gzip.decompress(store.blobs.path(layer.digest).read_bytes()) for layer in request.layers] == [
        BASE,
        TOP,
    ]


def test_layers_that_are_links_to_another_images(store: Store) -> None:
    files = old_docker(Layers=["linked/layer.tar", "two/layer.tar"])
    assert load(store, archive_of(files, {"linked/layer.tar": "../one/layer.tar"})) == [
        ("docker.io/library/app:1",)
    ]


def test_an_image_layout_keeps_its_manifest(store: Store) -> None:
    files = layout()
    assert load(store, archive_of(files)) == [()]
    (image,) = store.list()
    sent = store.push_request(image, "x")
    assert path_of(sent.manifest) in files


def test_of_several_platforms_the_hosts_is_loaded(store: Store) -> None:
    foreign_config = images.config_of([BASE], architecture="s390x")
    foreign = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": manifest.OCI_MANIFEST,
            "config": entry(manifest.OCI_CONFIG, foreign_config),
            "layers": [entry(manifest.OCI_LAYER_GZIP, gzip.compress(BASE, mtime=0))],
        }
    ).encode()
    ours = next(blob for blob in layout().values() if blob.startswith(b'{"schemaVersion": 2, "mediaType"'))
    nested = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": manifest.OCI_INDEX,
            "manifests": [
                entry(manifest.OCI_MANIFEST, foreign, platform={"os": "linux", "architecture": "s390x"}),
                entry(manifest.OCI_MANIFEST, ours, platform={"os": "linux", "architecture": "amd64"}),
                entry(manifest.OCI_MANIFEST, b"x", platform={"os": "unknown", "architecture": "unknown"}),
            ],
        }
    ).encode()
    named = entry(
        manifest.OCI_INDEX, nested, annotations={"io.containerd.image.name": "docker.io/library/app:3"}
    )
    assert load(store, archive_of(layout(manifests=[named], one=nested, two=foreign))) == [
        ("docker.io/library/app:3",)
    ]
    assert store.get("app:3").architecture == "amd64"


def nested_index(depth: int) -> tuple[dict[str, object], list[bytes]]:
    blobs: list[bytes] = []
    inner = entry(manifest.OCI_MANIFEST, b"{}", platform={"os": "linux", "architecture": "amd64"})
    for _ in range(depth):
        content = json.dumps(
            {"schemaVersion": 2, "mediaType": manifest.OCI_INDEX, "manifests": [inner]}
        ).encode()
        blobs.append(content)
        inner = entry(manifest.OCI_INDEX, content, platform={"os": "linux", "architecture": "amd64"})
    return inner, blobs


def without(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {one: content for one, content in files.items() if one != name}


def changed_blob() -> dict[str, bytes]:
    files = layout()
    victim = path_of(gzip.compress(TOP, mtime=0))
    return {**files, victim: files[victim][:-1] + b"x"}


def deep_layout() -> dict[str, bytes]:
    inner, blobs = nested_index(5)
    return layout(manifests=[inner], **{f"b{number}": blob for number, blob in enumerate(blobs)})


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no archive": lambda: b"hello" * 400,
    "no images": lambda: archive_of({"etc/passwd": b"root"}),
    "only repositories": lambda: archive_of({"repositories": b"{}"}),
    "L33 a blob is not its digest": lambda: archive_of(changed_blob()),
    "L34 a layer is not its diffID": lambda: archive_of(
        old_docker(Layers=["two/layer.tar", "one/layer.tar"])
    ),
    "L35 sizes that differ": lambda: archive_of(
        layout(manifests=[{**entry(manifest.OCI_MANIFEST, b"{}"), "size": 3}], one=b"{}")
    ),
    "L36 truncated": lambda: archive_of(old_docker())[:-6000],
    "L36 truncated gzip": lambda: gzip.compress(archive_of(old_docker()))[:-30],
    "L37 manifest.json too large": lambda: archive_of({**old_docker(), "manifest.json": b" " * (5 << 20)}),
    "L37 index.json too large": lambda: archive_of({**layout(), "index.json": b" " * (5 << 20)}),
    "L38 indexes without end": lambda: archive_of(deep_layout()),
    "L38 10^4 manifests": lambda: archive_of(layout(manifests=[entry(manifest.OCI_MANIFEST, b"x")] * 10_000)),
    "L38 10^4 images": lambda: archive_of({**old_docker(), "manifest.json": b"[" + b"{}," * 9999 + b"{}]"}),
    "L39 10^4 layers": lambda: archive_of(old_docker(Layers=["one/layer.tar"] * 10_000)),
    "L39 a config that is a layer": lambda: archive_of(old_docker(Config="one/layer.tar")),
    "L40 a digest that climbs": lambda: archive_of(
        layout(manifests=[{**entry(manifest.OCI_MANIFEST, b"{}"), "digest": "sha256:../../x"}])
    ),
    "L40 an unknown algorithm": lambda: archive_of(
        layout(manifests=[{**entry(manifest.OCI_MANIFEST, b"{}"), "digest": "md5:" + "a" * 32}])
    ),
    "a layer outside": lambda: archive_of(old_docker(Layers=["/etc/passwd", "../../etc/passwd"])),
    "a link outside": lambda: archive_of(
        old_docker(Layers=["l/layer.tar", "two/layer.tar"]), {"l/layer.tar": "/etc/passwd"}
    ),
    "a missing blob": lambda: archive_of(without(layout(), path_of(gzip.compress(TOP, mtime=0)))),
    "no list": lambda: archive_of({**old_docker(), "manifest.json": b"{}"}),
    "a deep manifest.json": lambda: archive_of({**old_docker(), "manifest.json": b"[" * 100_000}),
    "layers of another kind": lambda: archive_of(old_docker(Layers=[["x"], {"y": 1}])),
    "a wrong name": lambda: archive_of(old_docker(RepoTags=["../../UPPER"])),
    "an entry that is no object": lambda: archive_of({**old_docker(), "manifest.json": b"[1]"}),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_what_is_refused_leaves_nothing(name: str, store: Store, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    with pytest.raises(errors.ImageError):
        load(store, HOSTILE[name]())
    assert store.list() == []
    assert remains(store) == []
    assert canary.read_text() == "untouched"


def test_a_sparse_file_is_refused_before_it_fills_the_disk(store: Store) -> None:
    info = tarfile.TarInfo("one/layer.tar")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:398] = b"%011o\0" % 0
    header[398:410] = b"%011o\0" % 0
    header[483:495] = b"%011o\0" % (1 << 32)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(errors.ImageError):
        load(store, bytes(header) + bytes(1024))
    assert remains(store) == []
