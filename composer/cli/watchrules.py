"""What a change of files means to a running stack: the rules of ``develop.watch``.  Pure.

Patterns are those of ``.dockerignore``, relative to the rule's path; what version control and editors leave
is of no concern to anybody, nor is what the ``.dockerignore`` of the service's build context leaves out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import attrs

from composer.dockerfile import ignore
from composer.dockerfile.ignore import IgnoreRules
from composer.model.deploy import Hook, Watch
from composer.model.stack import Service, Stack

_NOBODYS = ignore.parse("**/.git\n**/.hg\n**/.DS_Store\n**/.idea\n**/*.swp\n**/*.swx\n**/*~\n**/4913\n")
SYNCING = frozenset({"sync", "sync+restart", "sync+exec"})


@attrs.frozen(kw_only=True)
class Rule:
    """One rule of one service; ``context`` is the build context whose ``.dockerignore`` counts."""

    service: str
    watch: Watch
    ignored: IgnoreRules
    included: IgnoreRules
    context: str = ""
    unbuilt: IgnoreRules = attrs.field(factory=IgnoreRules)

    def inside(self, path: str) -> str | None:
        """Where a changed path belongs in the container; ``None`` when the rule is not about it."""
        base = self.watch.path.rstrip("/")
        if path != base and not path.startswith(f"{base}/"):
            return None
        below = path[len(base) + 1 :]
        name = below or os.path.basename(base)
        if _NOBODYS.ignores(name) or self.ignored.ignores(name):
            return None
        if self.watch.include and not self.included.ignores(name):
            return None
        is_built = self.context and path.startswith(f"{self.context}/")
        if is_built and self.unbuilt.ignores(path[len(self.context) + 1 :]):
            return None
        return f"{self.watch.target.rstrip('/')}/{below}" if below else self.watch.target

    def skips(self, directory: str) -> bool:
        """Whether nothing below a directory can matter, so that it need not be watched."""
        base = self.watch.path.rstrip("/")
        if not directory.startswith(f"{base}/"):
            return directory != base
        below = directory[len(base) + 1 :]
        return _NOBODYS.ignores(below) or (not self.ignored.has_exceptions and self.ignored.ignores(below))


@attrs.frozen(kw_only=True)
class Work:
    """What changes call for.  ``sync`` gives each service's files: on the host, and in the container."""

    sync: Mapping[str, tuple[tuple[str, str], ...]] = attrs.field(factory=dict)
    rebuild: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    hooks: tuple[tuple[str, Hook], ...] = ()


def rules_of(stack: Stack, services: Iterable[str], dockerignores: Mapping[str, str]) -> tuple[Rule, ...]:
    """The rules of the services (all, when none is named); ``dockerignores`` are texts by build context."""
    return tuple(
        _rule(stack.services[name], watch, dockerignores)
        for name in sorted(services) or sorted(stack.services)
        for watch in _watches(stack.services[name])
    )


def _watches(service: Service) -> tuple[Watch, ...]:
    return service.develop.watch if service.develop else ()


def _rule(service: Service, watch: Watch, dockerignores: Mapping[str, str]) -> Rule:
    context = service.build.context.rstrip("/") if service.build is not None else ""
    return Rule(
        service=service.name,
        watch=watch,
        ignored=ignore.parse("\n".join(watch.ignore)),
        included=ignore.parse("\n".join(watch.include)),
        context=context,
        unbuilt=ignore.parse(dockerignores.get(context, "")),
    )


def work_for(changed: Iterable[str], rules: Iterable[Rule]) -> Work:
    """What has to be done; a service that is built again needs nothing else."""
    sync: dict[str, dict[str, str]] = {}
    rebuild: set[str] = set()
    restart: set[str] = set()
    hooks: dict[str, Hook] = {}
    paths = sorted(changed)
    for rule in rules:
        for path in paths:
            inside = rule.inside(path)
            if inside is None:
                continue
            action = rule.watch.action
            if action == "rebuild":
                rebuild.add(rule.service)
            if action in SYNCING:
                sync.setdefault(rule.service, {})[inside] = path
            if action in {"restart", "sync+restart"}:
                restart.add(rule.service)
            if action == "sync+exec":
                hooks[rule.service] = rule.watch.exec
    return Work(
        sync={
            name: tuple((path, inside) for inside, path in files.items())
            for name, files in sync.items()
            if name not in rebuild
        },
        rebuild=tuple(sorted(rebuild)),
        restart=tuple(sorted(restart - rebuild)),
        hooks=tuple((name, hook) for name, hook in sorted(hooks.items()) if name not in rebuild),
    )
