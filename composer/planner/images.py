"""Which images are pulled and which are built, and why: decisions per image name.

The order of precedence is Docker Compose's (``pkg/compose/pull.go`` and ``build.go`` of v2.40): a name that
is to be refreshed is pulled, also where the file says how to build it, and built only if that fails; what is
missing is built if there is a way, else pulled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.model import pulling
from composer.model.plan import BuildImage, PullImage
from composer.model.pulling import PullPolicy, PullWhen
from composer.model.stack import MountKind
from composer.planner import desired

if TYPE_CHECKING:
    from composer.model.container import ContainerSpec, Observed
    from composer.model.stack import Service, Stack

AS_WRITTEN = "policy"
"""``--pull policy``: what the file says, which is the default."""


@attrs.frozen(kw_only=True)
class ImageOptions:
    """What the command line says of images.

    ``pull`` overrides every service's policy.  ``are_settled`` is true in the rounds after the first:
    what was refreshed is not refreshed again.
    """

    build: bool = False
    no_build: bool = False
    pull: str | None = None
    are_settled: bool = False


ImageStep = tuple[str, BuildImage | PullImage, str]
"""Image name, operation, cause."""


def policy_of(service: Service, options: ImageOptions) -> PullPolicy:
    """When the image of a service is fetched; raises ``UsageError`` for an unknown policy."""
    text = service.pull_policy if options.pull in (None, AS_WRITTEN) else options.pull
    try:
        return pulling.parse(text)
    except ValueError as error:
        hint = "There are: always, missing, never, build, daily, weekly and every_DURATION."
        raise errors.UsageError(str(error), hint=hint) from error


def refreshing_steps(
    stack: Stack, observed: Observed, services: Iterable[str], options: ImageOptions
) -> tuple[ImageStep, ...]:
    """What must be pulled or built before existing containers can be judged, one step per image."""
    builders = builders_of(stack)
    found: dict[str, ImageStep] = {}
    for name in sorted(services):
        service = stack.services[name]
        reference = desired.image_reference(stack, service)
        if reference in found:
            continue
        builder = builders.get(reference)
        step = _refreshing_pull(service, reference, observed, builder, options)
        step = step or _build(service, reference, observed, builder, options)
        if step is not None:
            found[reference] = step
    return tuple(found.values())


def missing_steps(
    stack: Stack, observed: Observed, made: Iterable[ContainerSpec], options: ImageOptions
) -> tuple[ImageStep, ...]:
    """The pulls of what containers that are made need and nobody has or builds.

    Raises ``ImageNotFound`` where the policy is to fetch nothing.
    """
    needed: dict[str, list[Service]] = {}
    builders = builders_of(stack)
    for spec in made:
        mounted = [mount.source for mount in spec.mounts if mount.kind is MountKind.IMAGE]
        for reference in (spec.image, *mounted):
            if reference not in observed.images and (options.no_build or reference not in builders):
                needed.setdefault(reference, []).append(stack.services[spec.service])
    steps: list[ImageStep] = []
    refused: list[str] = []
    for reference, services in sorted(needed.items()):
        user = next((one for one in services if _may_fetch(one, reference, options)), None)
        if user is None:
            refused.append(reference)
        else:
            platform = user.platform or "" if user.image == reference else ""
            steps.append((reference, PullImage(image=reference, platform=platform), "the image is missing"))
    if refused:
        raise _not_found(refused)
    return tuple(steps)


def builders_of(stack: Stack) -> Mapping[str, Service]:
    """For each image that can be built the first service that says how."""
    found: dict[str, Service] = {}
    for _, service in sorted(stack.services.items()):
        if service.build is not None:
            found.setdefault(desired.image_reference(stack, service), service)
    return found


def reason_to_refresh(policy: PullPolicy, age: float | None, name: str) -> str:
    """Why an image is pulled though it may be there; "" when it is not.

    ``age`` is in seconds since it was last pulled or tagged, ``None`` when it is missing.  What is
    there and named by digest is what it will ever be.
    """
    if age is not None and "@" in name:
        return ""
    if policy.when is PullWhen.ALWAYS:
        return "its pull policy is always"
    if policy.when is PullWhen.REFRESH and age is not None and age >= policy.interval.seconds:
        return f"its pull policy is {policy.text}, and it is older"
    return ""


def _refreshing_pull(
    service: Service, reference: str, observed: Observed, builder: Service | None, options: ImageOptions
) -> ImageStep | None:
    if not service.image or options.are_settled or (options.build and builder is not None):
        return None
    age = observed.image_ages.get(reference) if reference in observed.images else None
    reason = reason_to_refresh(policy_of(service, options), age, reference)
    if not reason:
        return None
    may_fail = builder is not None and not options.no_build
    operation = PullImage(image=reference, platform=service.platform or "", may_fail=may_fail)
    return reference, operation, reason


def _build(
    service: Service, reference: str, observed: Observed, builder: Service | None, options: ImageOptions
) -> ImageStep | None:
    if builder is None or builder.build is None or options.no_build:
        return None
    if reference not in observed.images:
        cause = "the image is missing"
    elif options.are_settled:
        return None
    elif options.build:
        cause = "a build was asked for"
    elif policy_of(service, options).when is PullWhen.BUILD:
        cause = "its pull policy is build"
    else:
        return None
    return reference, BuildImage(service=builder.name, image=reference, build=builder.build), cause


def _may_fetch(service: Service, reference: str, options: ImageOptions) -> bool:
    """Whether a service lets an image be fetched; the name of a build without image is at no registry."""
    is_name_of_build = service.image is None and reference not in _mounted(service)
    when = policy_of(service, options).when
    return not is_name_of_build and when not in (PullWhen.NEVER, PullWhen.BUILD)


def _mounted(service: Service) -> frozenset[str]:
    return frozenset(mount.source for mount in service.mounts if mount.kind is MountKind.IMAGE)


def _not_found(missing: list[str]) -> errors.ImageNotFound:
    plural = "images are" if len(missing) > 1 else "image is"
    message = f"{plural} not in the store: {', '.join(missing)}"
    hint = (
        f"The pull policy forbids to fetch: get it with `composer image pull {missing[0]}`, make one with "
        f"`composer image bootstrap {missing[0]}`, or bring one in with `composer image import FILE NAME`."
    )
    return errors.ImageNotFound(message, hint=hint)
