"""Which images are pulled and which are built, and why: decisions per image name.

The order of precedence is Docker Compose's (``pkg/compose/pull.go`` and ``build.go`` of v2.40): a name that
is to be refreshed is pulled, also where the file says how to build it, and built only if that fails; what is
missing is built if there is a way, else pulled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.model import pulling
from composer.model.plan import BuildImage, PullImage
from composer.model.pulling import PullPolicy, PullWhen
from composer.model.stack import MountKind
from composer.planner import builds, desired

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


@attrs.frozen
class ImageStep:
    """What makes an image be there, and why; ``needs`` are images that it reads, as far as they are made."""

    image: str
    operation: BuildImage | PullImage
    cause: str
    needs: tuple[str, ...] = ()


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
    """What must be pulled or built before existing containers can be judged, one step per image.

    A build comes after those of the images that it reads, which are built too where they are missing.
    """
    builders = builds.builders(stack)
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
    wanted = [image for image, step in found.items() if isinstance(step.operation, BuildImage)]
    if not wanted:
        return tuple(found.values())
    steps = [step for step in found.values() if isinstance(step.operation, PullImage)]
    everyone = builds.builders(stack, inactive=True)
    for image, needs in builds.ordered(stack, wanted, observed.reads):
        step = found.get(image)
        if step is None:
            step = _build(everyone[image], image, observed, everyone[image], options)
        if step is not None:
            steps.append(attrs.evolve(step, needs=needs))
    return tuple(steps)


def missing_steps(
    stack: Stack, observed: Observed, made: Iterable[ContainerSpec], options: ImageOptions
) -> tuple[ImageStep, ...]:
    """The pulls of what containers that are made need and nobody has or builds.

    Raises ``ImageNotFound`` where the policy is to fetch nothing.
    """
    needed: dict[str, list[Service]] = {}
    builders = builds.builders(stack)
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
            operation = PullImage(image=reference, platform=platform)
            steps.append(ImageStep(reference, operation, "the image is missing"))
    if refused:
        raise _not_found(refused)
    return tuple(steps)


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
    return ImageStep(reference, operation, reason)


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
    operation = BuildImage(service=builder.name, image=reference, build=builder.build)
    return ImageStep(reference, operation, cause)


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
