"""Images as registries and archives bring them: made of bytes, put into a store's blobs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence

from composer.image.store import Store
from composer.model import manifest
from composer.model.distribution import Descriptor, Pulled, Transfer


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_of(files: Mapping[str, str], *, mtime: int = 1) -> bytes:
    """A plain archive, in a format that our own packer does not write (so it cannot be made again)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = mtime
            info.uname = info.gname = "root"
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    return stream.getvalue()


def config_of(layers: Sequence[bytes], **fields: object) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "config": {"Cmd": ["sh"], "Env": ["A=1"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "made elsewhere"} for _ in layers],
            "unknown": "kept",
            **fields,
        }
    ).encode()


def part(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def put(store: Store, media_type: str, data: bytes) -> Descriptor:
    """The data as a blob, through a writer as a registry client does it."""
    descriptor = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
    with store.blobs.writer(descriptor) as writer:
        writer.write(data[writer.offset :])
        writer.commit()
    return descriptor


def pulled(store: Store, *layers: bytes, config: bytes | None = None, index_digest: str = "") -> Pulled:
    """An image in the store's blobs, not adopted yet; layers are plain archives, kept as gzip."""
    content = config_of(layers) if config is None else config
    described = put(store, manifest.DOCKER_CONFIG, content)
    packed = tuple(
        put(store, "application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress(layer, mtime=0))
        for layer in layers
    )
    document = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": manifest.DOCKER_MANIFEST,
            "config": part(described),
            "layers": [part(layer) for layer in packed],
        },
        indent=3,
    ).encode()
    return Pulled(
        manifest=put(store, manifest.DOCKER_MANIFEST, document),
        config=described,
        layers=packed,
        index_digest=index_digest,
    )


def ignore(transfer: Transfer) -> None:
    """A report that nobody reads."""
    del transfer
