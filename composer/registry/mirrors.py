"""Where a name leads: which registries are asked for it, in which order (decisions only).

A name without registry is looked up among the aliases and search registries of ``registries.conf``;
without any it means Docker Hub, as with Docker (docs/decisions/0020).  The name an image is stored
under is always the one that was asked for.
"""

from __future__ import annotations

import attrs

from composer import errors
from composer.model import reference
from composer.model.reference import Reference
from composer.registry import proxies, registriesconf
from composer.registry.registriesconf import Mirror, RegistriesConf, Rule

_HUB_HOST = "registry-1.docker.io"
"""Where Docker Hub answers; ``docker.io`` itself is a web site."""


@attrs.frozen(kw_only=True)
class Endpoint:
    """A repository at a registry: ``registry`` is its name, ``host[:port]``."""

    registry: str
    repository: str
    is_insecure: bool = False

    @property
    def host(self) -> str:
        """Who is connected to."""
        return _HUB_HOST if self.registry == reference.DEFAULT_DOMAIN else self.registry

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.registry}/{self.repository}"


def candidates(conf: RegistriesConf, text: str) -> tuple[Reference, ...]:
    """The complete names that ``text`` may stand for, in the order to try.

    Raises ``UsageError`` for what is no name, ``RegistryError`` for one that could be anybody's.
    """
    complete = reference.parse(text)
    short = _short_name(text)
    if short is None:
        return (complete,)
    if (target := conf.aliases.get(short)) is not None:
        aliased = reference.parse(target)
        return (attrs.evolve(aliased, tag=complete.tag, digest=complete.digest),)
    if not conf.search:
        return (complete,)
    if conf.mode == registriesconf.ENFORCING and len(conf.search) > 1:
        if reference.DEFAULT_DOMAIN in conf.search:
            return (complete,)
        message = f"{text} may be of any of {', '.join(conf.search)}"
        hint = f"Write the registry, as in {conf.search[0]}/{text}; registries.conf enforces it."
        raise errors.RegistryError(message, hint=hint)
    return tuple(_of_registry(registry, complete, short) for registry in conf.search)


def sources(conf: RegistriesConf, name: Reference) -> tuple[Endpoint, ...]:
    """The places to pull a complete name from: mirrors first, the registry itself last.

    Raises ``RegistryError`` when ``registries.conf`` blocks it.
    """
    rule = _rule_for(conf, name)
    if rule is None:
        return (_endpoint(f"{name.domain}/{name.path}", is_insecure=False),)
    _refuse_blocked(rule, name)
    mirrors = [
        _endpoint(_moved(rule, name, mirror.location), is_insecure=mirror.is_insecure)
        for mirror in rule.mirrors
        if _serves(mirror, name)
    ]
    return (*mirrors, _own(rule, name))


def destination(conf: RegistriesConf, name: Reference) -> Endpoint:
    """The place to push a complete name to: never a mirror."""
    rule = _rule_for(conf, name)
    if rule is None:
        return _endpoint(f"{name.domain}/{name.path}", is_insecure=False)
    _refuse_blocked(rule, name)
    return _own(rule, name)


def of_registry(conf: RegistriesConf, registry: str) -> Endpoint:
    """A registry as such, as ``login`` means it."""
    rule = _rule_for(conf, Reference(domain=registry, path="", tag=""))
    is_insecure = rule is not None and rule.is_insecure
    return _endpoint(f"{registry}/", is_insecure=is_insecure)


def _short_name(text: str) -> str | None:
    """The name without tag and digest when it names no registry; ``None`` when it does."""
    bare = text.partition("@")[0]
    head, slash, _ = bare.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        return None
    directory, separator, last = bare.rpartition("/")
    return f"{directory}{separator}{last.partition(':')[0]}"


def _of_registry(registry: str, complete: Reference, short: str) -> Reference:
    if registry == reference.DEFAULT_DOMAIN:
        return complete
    return Reference(domain=registry, path=short, tag=complete.tag, digest=complete.digest)


def _rule_for(conf: RegistriesConf, name: Reference) -> Rule | None:
    """The rule with the longest prefix that the name begins with."""
    fitting = [rule for rule in conf.rules if _begins_with(name, rule.prefix)]
    return max(fitting, key=lambda rule: len(rule.prefix), default=None)


def _begins_with(name: Reference, prefix: str) -> bool:
    if prefix.startswith("*."):
        return name.domain.endswith(prefix[1:])
    text = str(name)
    return text.startswith(prefix) and text[len(prefix) : len(prefix) + 1] in ("", "/", ":", "@")


def _moved(rule: Rule, name: Reference, location: str) -> str:
    """``domain/path`` of the name with the rule's prefix replaced by a location."""
    own = f"{name.domain}/{name.path}"
    if not location:
        return own
    if rule.prefix.startswith("*."):
        return f"{location}/{name.path}"
    rest = str(name)[len(rule.prefix) :]
    return f"{location}{rest.partition('@')[0].partition(':')[0]}"


def _own(rule: Rule, name: Reference) -> Endpoint:
    return _endpoint(_moved(rule, name, rule.location), is_insecure=rule.is_insecure)


def _endpoint(place: str, *, is_insecure: bool) -> Endpoint:
    registry, _, repository = place.partition("/")
    if registry == reference.DEFAULT_DOMAIN and repository and "/" not in repository:
        repository = f"{reference.DEFAULT_PATH}{repository}"
    host = registry.rpartition("]")[0].removeprefix("[") or registry.partition(":")[0]
    # As Docker, which trusts every registry on 127.0.0.0/8 (dockerd --insecure-registry).
    return Endpoint(
        registry=registry,
        repository=repository,
        is_insecure=is_insecure or proxies.is_loopback(host),
    )


def _serves(mirror: Mirror, name: Reference) -> bool:
    if mirror.pulls == "all":
        return True
    return (mirror.pulls == "digest-only") == bool(name.digest)


def _refuse_blocked(rule: Rule, name: Reference) -> None:
    if rule.is_blocked:
        message = f"{name.familiar} is blocked: registries.conf forbids {rule.prefix}"
        raise errors.RegistryError(message)
