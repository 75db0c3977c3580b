"""``composer image inspect``: everything known of images, with Docker's field names."""

from __future__ import annotations

import json

from composer.cli import hand
from composer.cli.imageverbs import opening

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session
    from composer.model.image import Image

EXAMPLES = """composer image inspect debian:bookworm-slim
composer image inspect -f '{{json .Config.Env}}' app"""

_CONFIG_FIELDS = (
    "ArgsEscaped", "Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "OnBuild", "Shell",
    "StopSignal", "User", "Volumes", "WorkingDir",
)  # fmt: skip
"""What templates may ask of ``.Config`` also where an image has it not."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image inspect``."""
    parser.add_argument("names", metavar="IMAGE", nargs="+", help="name or id of an image")
    parser.add_argument("-f", "--format", default="", help="json, or a template")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show the images that there are; fails in the end when one was not."""
    from composer.cli import template

    store = opening.open_store(session)
    form = options.format.strip()
    values: list[Json] = []

    def look(name: str) -> None:
        image = store.get(name)
        content = json.loads(store.configuration_bytes(image))
        values.append(value_of(image, content, named_at=max(map(store.named_at, image.tags), default=0.0)))

    code = hand.each(session, options.names, look)
    if form in ("", "json"):
        session.say(json.dumps(values, indent=4, ensure_ascii=False))
    else:
        parsed = template.Template(form)
        for value in values:
            session.say(parsed.render(for_template(value)))
    return code


def value_of(image: Image, content: Json, *, named_at: float) -> Json:
    """The fields of Docker's API (``GET /images/{name}/json``) that mean something without its daemon."""
    from composer.model import moment, reference

    history = image.history
    value: Json = {
        "Id": image.id,
        "RepoTags": [reference.parse(tag).familiar for tag in image.tags],
        "RepoDigests": [reference.parse(digest).familiar for digest in image.digests],
        "Comment": history[-1].comment if history else "",
        "Created": image.created,
        "Author": content.get("author") or "",
        "Config": content.get("config") or {},
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": image.size,
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Metadata": {"LastTagTime": moment.rfc3339(named_at)},
    }
    if image.variant:
        value["Variant"] = image.variant
    return value


def for_template(value: Json) -> Json:
    """The value with every field that a template of Docker's may name."""
    from composer.cli.template import OpenMap

    config = value["Config"]
    assert isinstance(config, dict)
    whole: Json = {**dict.fromkeys(_CONFIG_FIELDS), **config}
    for name in ("Labels", "ExposedPorts", "Volumes"):
        whole[name] = OpenMap(config.get(name) or {})
    return {"Variant": "", "DockerVersion": "", "Parent": "", **value, "Config": whole}
