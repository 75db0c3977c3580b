"""``composer volume create``."""

from __future__ import annotations

from composer import errors
from composer.cli import hand, serviceflags

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.model.container import VolumeSpec

EXAMPLES = """composer volume create data
composer volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=64m scratch"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``volume create``."""
    add = parser.add_argument
    add("-d", "--driver", default="local", metavar="NAME", help="local is the one there is")
    add(
        "-o",
        "--opt",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="type, o and device: what to mount",
    )
    add("--label", action="append", default=[], metavar="KEY=VALUE", help="set a label")
    add("name", nargs="?", default="", metavar="NAME", help="its name; one is made up where none is given")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make it, unless it is there as asked for; prints its name."""

    def make(_name: str) -> None:
        spec = spec_of(options)
        drivers = session.drivers()
        there = drivers.records.volume(spec.name)
        if there is not None and (there.options, there.labels) != (spec.options, spec.labels) and options.opt:
            message = f"volume {spec.name} exists with other options"
            raise errors.ConflictError(message, hint=f"See `composer volume inspect {spec.name}`.")
        drivers.volumes.create(spec)
        session.say(spec.name)

    return hand.each(session, [options.name], make)


def spec_of(options: argparse.Namespace) -> VolumeSpec:
    """The volume that the flags ask for; raises ``UsageError``."""
    import secrets

    from composer.engine.volumes import ANONYMOUS
    from composer.model import localvolume, names
    from composer.model.container import VolumeSpec

    if options.driver != "local":
        raise errors.UsageError(
            f"there is no volume driver {options.driver!r}", hint="local is the one there is."
        )
    name = options.name or f"{ANONYMOUS}{secrets.token_hex(16)}"
    if not names.VOLUME_NAME.fullmatch(name):
        message = f"{name!r} cannot be the name of a volume"
        hint = "Letters, digits, dots, dashes and underscores; two at least, the first a letter or digit."
        raise errors.UsageError(message, hint=hint)
    given = dict(serviceflags.pair("--opt", text) for text in options.opt)
    try:
        localvolume.mount_of(given)
    except ValueError as error:
        raise errors.UsageError(f"--opt: {error}") from error
    labels = dict(text.partition("=")[::2] for text in options.label)
    return VolumeSpec(stack=names.DEFAULT_STACK, key="", name=name, labels=labels, options=given)
