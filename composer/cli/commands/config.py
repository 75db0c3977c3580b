"""``composer config``: the stack file as it is understood."""

from __future__ import annotations

import json

from composer import errors
from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from composer.cli.session import Session
    from composer.stackfile.load import Document, Omissions
    from composer.stackfile.tree import Node

EXAMPLES = """composer config
composer config -q && echo the file is good
composer config --services
composer config --audit
composer config --explain services.web.environment.DEBUG"""

AUDIT_FOUND = 2
"""Exit code of ``--audit`` when there are findings (as ``plan``: there is something to look at)."""

_LISTS = {
    "services": "names of services",
    "volumes": "names of volumes",
    "images": "names of images",
    "networks": "names of networks",
    "profiles": "names of profiles",
    "models": "names of models",
    "variables": "variables that the files use, with their defaults",
    "environment": "the variables that interpolation sees",
}

_OMISSIONS = {
    "interpolate": "leave variables as they are written",
    "normalize": "leave out what follows from what is written",
    "path-resolution": "leave relative paths as they are",
    "env-resolution": "leave env_file unread",
    "consistency": "do not check whether everything fits together",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``config``."""
    add = parser.add_argument
    add("--format", choices=("yaml", "json"), help="how to show it (default: yaml)")
    add("-q", "--quiet", action="store_true", help="only check")
    add("-o", "--output", metavar="FILE", help="write to a file")
    for what, text in _LISTS.items():
        add(f"--{what}", dest="listed", action="store_const", const=what, help=f"only {text}")
    add("--hash", metavar="SERVICE", help="only hashes of services' configuration; * for all")
    add("--audit", action="store_true", help="what the stack asks for beyond a container's isolation")
    add("--explain", metavar="PATH", help="every place that had a say in a value")
    for what, text in _OMISSIONS.items():
        add(f"--no-{what}", action="store_true", help=text)
    add("--resolve-image-digests", action="store_true", help="name images by digest")
    add("--lock-image-digests", action="store_true", help="an override file that names images by digest")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show or check the file."""
    if options.lock_image_digests and (options.no_interpolate or options.listed):
        message = "--lock-image-digests writes a file of images: nothing else can be asked of it"
        raise errors.UsageError(message)
    if options.audit:
        return _audit(session, options)
    if options.listed == "variables":
        _put(session, options, _variables(session, options))
        return 0
    document = session.read(options.services, _passes(options))
    _check_names(document, options)
    _warn(session, document)
    if not options.quiet:
        _put(session, options, _text_of(document, options))
    return 0


def _passes(options: argparse.Namespace) -> Omissions:
    from composer.stackfile.load import Omissions

    return Omissions(
        interpolate=not options.no_interpolate,
        normalise=not options.no_normalize,
        resolve_paths=not options.no_path_resolution,
        resolve_environment=not (options.no_env_resolution or options.hash),
        consistency=not options.no_consistency,
    )


def _check_names(document: Document, options: argparse.Namespace) -> None:
    from composer.stackfile.tree import section

    known = section(document.tree, "services")
    wanted = [*options.services, *([options.hash] if options.hash and options.hash != "*" else [])]
    for name in wanted:
        if name not in known:
            message = f"no such service: {name}"
            raise errors.UsageError(message, hint=f"There are: {', '.join(sorted(known)) or 'none'}.")


def _warn(session: Session, document: Document) -> None:
    """What would not work is said here, though the file is valid; ``up`` refuses it."""
    for warning in document.warnings:
        session.note(f"warning: {warning}")
    for obstacle in document.obstacles:
        hint = f" ({obstacle.hint})" if obstacle.hint else ""
        session.note(f"warning: {obstacle}{hint}; up refuses it")


def _put(session: Session, options: argparse.Namespace, text: str) -> None:
    if not options.output:
        session.out.write(text)
        return
    try:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        message = f"cannot write {options.output}: {error.strerror}"
        raise errors.UsageError(message) from error


def _text_of(document: Document, options: argparse.Namespace) -> str:
    from composer.stackfile import document as rendering

    if options.explain:
        return _explanation(document, options)
    if options.hash:
        return _hashes(document, options)
    if options.listed == "environment":
        found = document.variables.everything()
        return _lines(f"{name}={value}" for name, value in found.items())
    style = options.format or "yaml"
    selected = _narrowed(document, options)
    tree = rendering.raw_tree(selected) if options.no_interpolate else rendering.tree_of(selected, style)
    if options.resolve_image_digests or options.lock_image_digests:
        from composer.cli import imagedigests

        tree = imagedigests.resolved(tree, only_images=options.lock_image_digests)
    if options.listed:
        return _lines(_names(document, tree, options.listed))
    if not options.no_interpolate:
        tree = rendering.dollars_doubled(tree)
    return rendering.as_json(tree) if style == "json" else rendering.as_yaml(tree)


def _narrowed(document: Document, options: argparse.Namespace) -> Node:
    """What the services named on the command line need; lists of names are of the whole stack."""
    from composer.stackfile import selection
    from composer.stackfile.tree import section

    services = section(document.selected, "services")
    if not options.services or (options.listed and options.listed != "images"):
        return document.selected
    return selection.selected(document.selected, selection.with_dependencies(services, options.services))


def _names(document: Document, tree: dict[str, object], what: str) -> Iterable[str]:
    from composer.stackfile import selection

    services = tree.get("services")
    assert isinstance(services, dict)
    if what == "images":
        images = (
            service.get("image") or f"{document.name}-{name}"
            for name, service in services.items()
            if "provider" not in service
        )
        return dict.fromkeys(images)
    if what == "profiles":
        return selection.profiles_in(document.tree)
    if what == "models":
        models = tree.get("models")
        return [str(model.get("model")) for model in models.values()] if isinstance(models, dict) else []
    section = tree.get(what)
    return section if isinstance(section, dict) else ()


def _hashes(document: Document, options: argparse.Namespace) -> str:
    from composer.stackfile import document as rendering
    from composer.stackfile.tree import section

    services = section(document.selected, "services")
    if options.hash != "*" and options.hash not in services:
        message = f"service {options.hash} is not active"
        raise errors.UsageError(message, hint="Activate it with --profile.")
    wanted = sorted(services) if options.hash == "*" else [options.hash]
    return _lines(f"{name} {rendering.service_hash(services[name])}" for name in wanted)


def _explanation(document: Document, options: argparse.Namespace) -> str:
    from composer.stackfile import explain

    found = explain.explain(document.tree, document.scopes, options.explain)
    if options.format == "json":
        return json.dumps(explain.as_data(found), indent=2, ensure_ascii=False) + "\n"
    return explain.as_text(found)


def _audit(session: Session, options: argparse.Namespace) -> int:
    """Needs what ``up`` needs: a file without obstacles, its configs and secrets at hand."""
    from composer.cli import table
    from composer.planner import audit

    stack = session.load(options.services).stack
    found = [one for one in audit.audit(stack) if not options.services or one.service in options.services]
    if options.format == "json":
        data = [
            {
                "Service": one.service,
                "Attribute": one.attribute,
                "Weight": one.weight.name.lower(),
                "Finding": one.sentence,
            }
            for one in found
        ]
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    elif found:
        head = ["WEIGHT", "SERVICE", "ATTRIBUTE", "FINDING"]
        rows = [[one.weight.name.lower(), one.service, one.attribute, one.sentence] for one in found]
        text = table.table(head, rows)
    else:
        text = "nothing beyond the baseline\n"
    if not options.quiet:
        _put(session, options, text)
    return AUDIT_FOUND if found else 0


def _variables(session: Session, options: argparse.Namespace) -> str:
    """What the files say of variables, whether they are set or not."""
    import attrs

    from composer.cli import table
    from composer.stackfile import selection

    passes = attrs.evolve(_passes(options), interpolate=False, consistency=False)
    uses = selection.variables_in(session.read((), passes).tree)
    if options.format == "json":
        data = {
            use.name: {
                "Name": use.name,
                "DefaultValue": use.default,
                "PresenceValue": use.alternate,
                "Required": use.required,
            }
            for use in uses
        }
        return json.dumps(data, indent=4) + "\n"
    head = ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"]
    rows = [[use.name, "true" if use.required else "false", use.default, use.alternate] for use in uses]
    return table.table(head, rows)


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)
