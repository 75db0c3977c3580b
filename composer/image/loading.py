"""``image load``: images from an archive of Docker, Podman, skopeo or ourselves.

The archive is read once, as a stream, also from a pipe.  It is somebody else's: names only find
things among its own entries, links lead to its own entries, sizes and numbers are bounded, blobs
named by a digest are compared with it.  A plain layer is unpacked as it passes and kept compressed;
every other file becomes a blob.  Then the index or Docker's ``manifest.json`` says which of them make
images, and those are adopted as a pull's would be.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs

from composer import errors
from composer.image import adoption, collection, compression, shipment, tarstream, unpack
from composer.image import config as configs
from composer.image.saving import CONTAINERD_NAME, REF_NAME
from composer.model import manifest, platforms, reference
from composer.model.distribution import Descriptor, Platform, Pulled, Report
from composer.model.manifest import Index, Manifest

if TYPE_CHECKING:
    import sqlite3

    from composer.image.store import Store
    from composer.model.image import Image

_MOST_ENTRIES = 100_000
_MOST_IMAGES = 1000
_DEEPEST_INDEX = 3
_LARGEST_TEXT = manifest.LARGEST
_CHUNK = 1 << 20
_TEXTS = ("oci-layout", "index.json", "manifest.json", "repositories")
_BLOCK = 512


@attrs.frozen(kw_only=True)
class Loaded:
    """One image of the archive, and the references that it brought."""

    image: Image
    tags: tuple[str, ...]


@attrs.frozen(kw_only=True)
class _Unpacked:
    """A plain layer that was unpacked as it passed: its diffID, its length, the archive that is kept."""

    diff_id: str
    size: int
    kept: Descriptor


@attrs.frozen(kw_only=True)
class _Content:
    """What the archive held, by name: blobs, layers that are unpacked, small texts."""

    files: Mapping[str, Descriptor]
    layers: Mapping[str, _Unpacked]
    texts: Mapping[str, bytes]

    def layer(self, name: str, diff_id: str) -> Descriptor | None:
        """The archive of a layer that was unpacked; ``None`` for one that is not.

        Raises ``DigestMismatch`` when it is not the layer that the image's configuration promises.
        """
        found = self.layers.get(posixpath.normpath(name)) if isinstance(name, str) else None
        if found is None:
            return None
        if found.diff_id != diff_id:
            message = (
                f"layer {name[:200]!r} unpacks to {found.diff_id}, not to {diff_id} as the image promises"
            )
            raise errors.DigestMismatch(message)
        return found.kept

    def named(self, name: str) -> Descriptor:
        """The file of that name; raises ``ImageError``."""
        found = self.files.get(posixpath.normpath(name)) if isinstance(name, str) else None
        if found is None:
            message = f"the archive lacks {str(name)[:200]!r}, which it says it has"
            raise errors.ImageError(message)
        return found

    def blob(self, wanted: Descriptor) -> Descriptor:
        """The blob of a digest; raises ``ImageError`` also when its size is another."""
        found = self.named(_path_of(wanted.digest))
        if found.size != wanted.size:
            message = f"blob {wanted.digest} has {found.size} bytes, its descriptor says {wanted.size}"
            raise errors.ImageError(message)
        return wanted


def _path_of(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def load(store: Store, stream: BinaryIO, report: Report, *, keeps_names: bool = True) -> Sequence[Loaded]:
    """Load every image; raises ``ImageError`` for what is no such archive, then nothing is left.

    Without ``keeps_names`` the archive's references name nothing in the store.
    """
    try:
        with store.lease():
            content = _read(store, stream)
            if "index.json" in content.texts and "oci-layout" in content.texts:
                loaded = _load_layout(store, content, report, keeps_names=keeps_names)
            elif "manifest.json" in content.texts:
                loaded = _load_docker(store, content, report, keeps_names=keeps_names)
            elif "repositories" in content.texts:
                raise errors.ImageError(
                    "the archive is of a Docker before 1.10", hint="Load and save it with a newer one."
                )
            else:
                raise errors.ImageError(
                    "this is no archive of images: it has neither index.json nor manifest.json",
                    hint="A root file system becomes an image by `composer image import`.",
                )
    finally:
        collection.collect(store)
    return loaded


# --------------------------------------------------------------------------- reading


def _read(store: Store, stream: BinaryIO) -> _Content:
    files: dict[str, Descriptor] = {}
    layers: dict[str, _Unpacked] = {}
    links: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    with tarstream.opened(compression.decompressed(stream), most=_MOST_ENTRIES) as (archive, entries):
        for member in entries:
            name = posixpath.normpath(member.name).lstrip("/")
            if member.issym():
                links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif member.islnk():
                links[name] = posixpath.normpath(member.linkname)
            elif member.issparse():
                raise errors.ImageError("the archive has a sparse file, which no image archive has")
            elif member.isreg():
                file = archive.extractfile(member)
                assert file is not None
                if name in _TEXTS:
                    texts[name] = _text(name, member.size, file)
                    continue
                whole = _Peeked(file)
                if whole.is_plain_archive:
                    layers[name] = _unpack(store, name, member.size, whole)
                else:
                    files[name] = _take(store, name, member.size, whole)
    for name, target in links.items():
        # Docker and Podman say so that two images share a layer.
        if target in files:
            files.setdefault(name, files[target])
        if target in layers:
            layers.setdefault(name, layers[target])
    return _Content(files=files, layers=layers, texts=texts)


class _Peeked:
    """A file of the archive whose first block was looked at."""

    def __init__(self, file: Any) -> None:
        self._head: bytes = file.read(_BLOCK)
        self._file = file

    @property
    def is_plain_archive(self) -> bool:
        """Whether it is a tar, by the magic of POSIX and GNU (both begin with ``ustar``)."""
        return self._head[257:262] == b"ustar"

    def read(self, size: int = -1, /) -> bytes:
        data, self._head = self._head, b""
        return data or bytes(self._file.read(_CHUNK if size < 0 else size))


def _unpack(store: Store, name: str, size: int, file: _Peeked) -> _Unpacked:
    """Unpack a plain layer as it passes; what its name says of its digest must be so."""
    import zstandard

    staged = store.staging("load")
    tree, archive = staged / "tree", staged / "archive"
    tree.mkdir(mode=0o755)
    try:
        with archive.open("wb") as sink, zstandard.ZstdCompressor(level=1).stream_writer(sink) as packer:
            unpacked = unpack.unpack(file, tree, watch=packer.write)
        digest = _digest_in(name)
        if digest and digest != unpacked.diff_id:
            message = f"blob {digest} arrived as {unpacked.diff_id}"
            raise errors.DigestMismatch(message, hint="The archive is damaged.")
        with store.layers.making(unpacked.diff_id) as is_ours:
            if is_ours:
                store.publish_layer(tree, unpacked.diff_id, size=unpacked.size, archive=unpacked.archive)
        kept = store.blobs.take(archive, shipment.KEPT)
    except OSError as error:
        message = f"cannot unpack into {staged}: {error.strerror}"
        raise errors.ImageError(message, hint="Is the disk full?") from error
    finally:
        store.discard(staged)
    return _Unpacked(diff_id=unpacked.diff_id, size=size, kept=kept)


def _digest_in(name: str) -> str:
    """The digest that a name in an image layout is; "" for any other name."""
    directory, _, digits = name.rpartition("/")
    digest = f"sha256:{digits}"
    return digest if directory == "blobs/sha256" and manifest.is_digest(digest) else ""


def _text(name: str, size: int, file: Any) -> bytes:
    if size > _LARGEST_TEXT:
        message = f"{name} of the archive has more than {_LARGEST_TEXT >> 20} MiB"
        raise errors.ImageError(message)
    return bytes(file.read())


def _take(store: Store, name: str, size: int, file: _Peeked) -> Descriptor:
    """A file as a blob: by the digest that its name gives, or by its content."""
    digest = _digest_in(name)
    if not digest:
        return store.blobs.receive(file, media_type="")
    descriptor = Descriptor(media_type="", digest=digest, size=size)
    with store.blobs.writer(descriptor) as writer:
        if writer.offset < size:
            writer.restart()
            while data := file.read(_CHUNK):
                writer.write(data)
        writer.commit()
    return descriptor


# --------------------------------------------------------------------------- Docker's manifest.json


def _load_docker(store: Store, content: _Content, report: Report, *, keeps_names: bool) -> list[Loaded]:
    loaded = []
    for entry in _json_list(content.texts["manifest.json"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("Layers"), list):
            raise errors.ImageError("manifest.json of the archive is malformed")
        config = attrs.evolve(content.named(entry.get("Config", "")), media_type=manifest.DOCKER_CONFIG)
        names = entry["Layers"]
        if len(names) > manifest.MOST_LAYERS:
            message = f"the image has {len(names)} layers; {manifest.MOST_LAYERS} is the most"
            raise errors.ImageError(message)
        promised = _promised(store, config, len(names))
        layers = [
            content.layer(name, diff_id) or _sniffed(store, content.named(name))
            for name, diff_id in zip(names, promised, strict=True)
        ]
        tags = _references((entry.get("RepoTags") or ()) if keeps_names else ())
        image = _assembled(store, config, layers, report, tags)
        loaded.append(Loaded(image=image, tags=tags))
    return loaded


def _assembled(
    store: Store, config: Descriptor, layers: Sequence[Descriptor], report: Report, tags: Sequence[str]
) -> Image:
    """An image of plain archives: no registry ever had its manifest, so none is recorded."""

    def record(db: sqlite3.Connection) -> None:
        for tag in tags:
            store.record_tag(db, tag, config.digest)

    return adoption.assemble(store, config, layers, report, record)


def _promised(store: Store, config: Descriptor, count: int) -> tuple[str, ...]:
    """The diffIDs that a configuration names; raises ``ImageError`` unless there are so many."""
    promised = configs.from_json(store.blobs.read(config.digest, limit=configs.LARGEST)).layers
    if len(promised) != count:
        message = f"the image has {count} layers, its configuration {len(promised)}"
        raise errors.ImageError(message)
    return promised


def _sniffed(store: Store, layer: Descriptor) -> Descriptor:
    with store.blobs.open(layer.digest) as file:
        return attrs.evolve(layer, media_type=_kind_of_archive(file.read(compression.MAGIC)))


def _kind_of_archive(head: bytes) -> str:
    if head.startswith(compression.GZIP):
        return manifest.OCI_LAYER_GZIP
    return f"{manifest.OCI_LAYER}+zstd" if head.startswith(compression.ZSTD) else manifest.OCI_LAYER


# --------------------------------------------------------------------------- OCI image layout


def _load_layout(store: Store, content: _Content, report: Report, *, keeps_names: bool) -> list[Loaded]:
    index = manifest.parse(content.texts["index.json"], manifest.OCI_INDEX)
    if not isinstance(index, Index):
        raise errors.ImageError("index.json of the archive is no index")
    named: dict[str, tuple[Descriptor, list[str]]] = {}
    for child in _for_this_host(index.children):
        tags = _references([_name_of(child)] if keeps_names else [])
        named.setdefault(child.digest, (child, []))[1].extend(tags)
    loaded: list[Loaded] = []
    for child, names in named.values():
        tags = tuple(names)
        described, parent = _resolved(store, content, child, _DEEPEST_INDEX)
        parsed = manifest.parse(_bytes(store, content, described), described.media_type)
        assert isinstance(parsed, Manifest)
        config = content.blob(parsed.config)
        if all(layer.media_type in shipment.PLAIN for layer in parsed.layers):
            promised = _promised(store, config, len(parsed.layers))
            plain = [
                content.layer(_path_of(layer.digest), diff_id) or content.blob(layer)
                for layer, diff_id in zip(parsed.layers, promised, strict=True)
            ]
            image = _assembled(store, config, plain, report, tags)
        else:
            layers = tuple(content.blob(layer) for layer in parsed.layers)
            pulled = Pulled(manifest=described, config=config, layers=layers, index_digest=parent)
            image = store.adopt(pulled, tags, report, from_registry=False)
        loaded.append(Loaded(image=image, tags=tags))
    if not loaded:
        message = f"the archive has no image for {platforms.of_host()}"
        raise errors.ImageError(message)
    return loaded


def _for_this_host(children: Sequence[Descriptor]) -> list[Descriptor]:
    """The images of an archive; of those with one name and several platforms the host's."""
    groups: dict[str, list[Descriptor]] = {}
    for child in children:
        groups.setdefault(_name_of(child), []).append(child)
    chosen = []
    for name, group in groups.items():
        best = platforms.best(group, platforms.this_host())
        many_platforms = len({child.platform for child in group if child.platform is not None}) > 1
        chosen += [best] if best is not None and many_platforms and name else group
    if len(chosen) > _MOST_IMAGES:
        message = f"the archive has more than {_MOST_IMAGES} images"
        raise errors.ImageError(message)
    return [child for child in chosen if not _is_attestation(child.platform)]


def _is_attestation(platform: Platform | None) -> bool:
    return platform is not None and platform.os == "unknown"


def _resolved(store: Store, content: _Content, child: Descriptor, depth: int) -> tuple[Descriptor, str]:
    """The manifest that an entry leads to, and the digest of the index it was chosen from."""
    parent = ""
    while child.media_type in manifest.INDEXES:
        if not depth:
            raise errors.ImageError("the archive's indexes are nested too deeply")
        depth -= 1
        index = manifest.parse(_bytes(store, content, child), child.media_type)
        assert isinstance(index, Index)
        best = platforms.best(index.children, platforms.this_host())
        if best is None:
            message = f"the archive has no image for {platforms.of_host()}"
            raise errors.ImageError(message)
        parent, child = child.digest, best
    return child, parent


def _bytes(store: Store, content: _Content, described: Descriptor) -> bytes:
    return store.blobs.read(content.blob(described).digest, limit=manifest.LARGEST)


def _name_of(child: Descriptor) -> str:
    """The reference that an entry names its image by; a mere tag names nothing."""
    name = child.annotations.get(CONTAINERD_NAME) or child.annotations.get(REF_NAME) or ""
    return name if "/" in name or ":" in name else ""


# --------------------------------------------------------------------------- both


def _json_list(content: bytes) -> list[Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise errors.ImageError("manifest.json of the archive is not JSON") from error
    if not isinstance(value, list) or len(value) > _MOST_IMAGES:
        raise errors.ImageError("manifest.json of the archive is no list of images")
    return value


def _references(names: Sequence[object]) -> tuple[str, ...]:
    """Complete references; raises ``ImageError`` for what is no name."""
    try:
        return tuple(dict.fromkeys(str(reference.parse(str(name))) for name in names if name))
    except errors.UsageError as error:
        message = f"the archive names an image wrongly: {error.message}"
        raise errors.ImageError(message) from error
