"""Drives one build: reads its files, lets its stages work side by side, publishes the image.

Nothing is kept in memory that matters (see ``stagework``), so a build that is killed at any point goes
on from the last finished step when it is asked for again; its staging directories are the store's to
sweep.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import attrs

from composer import errors
from composer.dockerfile import draft, lint, remote, run, source, stages, workspace
from composer.dockerfile.cachemounts import CacheMounts
from composer.dockerfile.contexts import Contexts
from composer.dockerfile.draft import Draft
from composer.dockerfile.kit import Kit
from composer.dockerfile.origins import Origin, Origins
from composer.dockerfile.parallel import Parallel
from composer.dockerfile.progress import Progress
from composer.dockerfile.stages import StagePlan
from composer.dockerfile.stagework import NETWORK_HOST, StageWork, check_entitlements, located
from composer.dockerfile.stop import Stop
from composer.dockerfile.syntax import Arg, Dockerfile, Run
from composer.dockerfile.turns import Turns
from composer.dockerfile.workspace import Overlay
from composer.model import platforms
from composer.model.image import HistoryEntry, Image, ImageConfig
from composer.model.protocols import (
    BuildRequest,
    ImageSource,
    ImageStore,
    Interrupt,
    StepNetwork,
    StepReport,
    StepRuntime,
)

_NETWORKS = ("default", "none", "host")


class DockerfileBuilder:
    """Builds images (``protocols.Builder``); one instance serves several builds at once.

    ``source`` fetches base images that are not in the store, ``fetch`` the files of ``ADD URL``.
    """

    def __init__(
        self,
        images: ImageStore,
        runtime: StepRuntime,
        network: StepNetwork,
        *,
        overlay: Overlay | None = None,
        source: ImageSource | None = None,
        fetch: remote.Fetch = remote.over_http,
    ) -> None:
        self._images = images
        self._runtime = runtime
        self._network = network
        self._source = source
        self._fetch = fetch
        self._overlay = overlay or workspace.KernelOverlay()
        self._turns = Turns()
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
        self._cache_mounts = CacheMounts(images.build_state)

    def build(
        self,
        request: BuildRequest,
        say: Callable[[str], None],
        interrupt: Interrupt,
        *,
        report: Callable[[StepReport], None] | None = None,
        keep: Callable[[str, tuple[str, ...]], None] | None = None,
    ) -> Image:
        """Build, tag and return; ``say`` receives progress and output lines, ``report`` the same as values.

        ``keep`` is told of every step its content key and what it gave.
        Raises ``BuildError`` (with the output's tail), ``ImageNotFound``, ``Interrupted``.
        """
        _check(request)
        with ExitStack() as stack:
            stack.enter_context(self._images.lease())
            stop = Stop(interrupt)
            stack.callback(stop.close)
            progress = Progress(say, report)
            remotes = remote.Remotes(images=self._images, request=request, stop=stop, fetch=self._fetch)
            contexts = Contexts(images=self._images, remotes=remotes, stop=stop, stack=stack)
            dockerfile, context = _read(request, contexts)
            origins = Origins(
                self._images,
                request,
                context,
                source=self._source,
                stop=stop,
                progress=progress,
                open_context=contexts.opened,
            )
            epoch = source.epoch_of(request)
            arguments = {**request.args} if epoch is None else {source.EPOCH: str(epoch), **request.args}
            self._refuse_findings(request, dockerfile, context, progress)
            plan = stages.plan(dockerfile, arguments, request.target, is_context=origins.is_context)
            _check_entitlements(dockerfile, plan, request)
            commands = run.Commands(self._runtime, self._network, stop, request)
            stack.callback(commands.close)
            kit = Kit(
                images=self._images,
                overlay=self._overlay,
                turns=self._turns,
                slots=self._slots,
                stop=stop,
                progress=progress,
                request=request,
                settings=draft.Settings(
                    arguments=arguments,
                    global_arguments=plan.arguments,
                    escape=dockerfile.escape,
                    created=source.timestamp(epoch),
                ),
                epoch=epoch,
                origins=origins,
                remotes=remotes,
                commands=commands,
                cache_mounts=self._cache_mounts,
                keep=keep,
            )
            done = _perform(kit, dockerfile, plan)
            _warn_of_unused_arguments(kit, dockerfile)
            image = _publish(kit, done)
            # Only now every base image is in the store, so that its environment is known.
            for line in self._review(request, dockerfile, context).summary():
                progress.note(line)
            return image

    def check(self, request: BuildRequest, interrupt: Interrupt) -> Sequence[str]:
        """Look at the Dockerfile without building: a text for each thing that is probably not meant.

        Raises ``BuildError`` for what is no Dockerfile, ``Interrupted``.
        """
        with ExitStack() as stack:
            stop = Stop(interrupt)
            stack.callback(stop.close)
            remotes = remote.Remotes(images=self._images, request=request, stop=stop, fetch=self._fetch)
            contexts = Contexts(images=self._images, remotes=remotes, stop=stop, stack=stack)
            dockerfile, context = _read(request, contexts)
            return tuple(self._review(request, dockerfile, context).details())

    def _review(self, request: BuildRequest, dockerfile: Dockerfile, context: Origin) -> lint.Review:
        def config_of(reference: str) -> ImageConfig | None:
            image = self._images.find(reference)
            return None if image is None else image.config

        return lint.review(dockerfile, arguments=request.args, rules=context.rules, config_of=config_of)

    def _refuse_findings(
        self, request: BuildRequest, dockerfile: Dockerfile, context: Origin, progress: Progress
    ) -> None:
        """Stop a build whose Dockerfile makes findings errors."""
        review = self._review(request, dockerfile, context)
        if review.failure:
            for text in review.details():
                for line in text.splitlines():
                    progress.note(line)
            message = f"{dockerfile.name}: {review.failure}"
            raise errors.BuildError(message, hint="Its `# check=` directive makes findings errors.")


def _read(request: BuildRequest, contexts: Contexts) -> tuple[Dockerfile, Origin]:
    """The Dockerfile of a build and its main context."""
    directory = contexts.directory_of(request.context)
    dockerfile = source.dockerfile_of(request, directory)
    if not directory.is_dir():
        message = f"unable to read the build context {directory}: there is no such directory"
        raise errors.BuildError(message)
    return dockerfile, Origin(directory=directory, rules=source.rules_of(request, directory))


def _check(request: BuildRequest) -> None:
    """Refuse what no build of this host can do, before anything is read."""
    if request.network not in _NETWORKS:
        message = f"RUN steps cannot join the network {request.network!r}: there are {', '.join(_NETWORKS)}"
        raise errors.BuildError(message, hint="Say build.network: host to reach services of the host.")
    if request.network == "host" and NETWORK_HOST not in request.entitlements:
        message = f"the network of the host is not allowed: the build lacks the entitlement {NETWORK_HOST}"
        raise errors.BuildError(message, hint=f"Say `--allow {NETWORK_HOST}`.")
    if request.platform and not platforms.runs_here(request.platform):
        message = (
            f"images for {request.platform} cannot be built on this host, which is {platforms.of_host()}"
        )
        raise errors.BuildError(message, hint="Build it on a host of that kind.")


def _check_entitlements(dockerfile: Dockerfile, plan: StagePlan, request: BuildRequest) -> None:
    """Refuse before anything runs what the caller did not allow (triggers of base images: when they run)."""
    for index in plan.order:
        for instruction in plan.stages[index].instructions:
            if isinstance(instruction, Run):
                with located(dockerfile.place(instruction), instruction):
                    check_entitlements(instruction, request)


def _perform(kit: Kit, dockerfile: Dockerfile, plan: StagePlan) -> Draft:
    """Let every stage that the target needs work; returns the target's draft."""

    def work(index: int) -> Draft:
        return StageWork(
            kit=kit,
            dockerfile=dockerfile,
            stage=plan.stages[index],
            stages=plan.stages,
            begin=parallel.begin,
            draft_of=parallel.result,
        ).perform()

    parallel = Parallel(work, kit.stop)
    return parallel.finish(plan.order[-1])


def _warn_of_unused_arguments(kit: Kit, dockerfile: Dockerfile) -> None:
    """Say which build arguments no ARG declares: usually a slip of the pen."""
    declared = {name for one in dockerfile.instructions if isinstance(one, Arg) for name, _ in one.pairs}
    known = declared | draft.PROXY_ARGUMENTS | {source.EPOCH}
    unused = sorted(
        name for name in kit.request.args if name not in known and not name.startswith("BUILDKIT_")
    )
    if unused:
        kit.progress.note(f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed")


def _publish(kit: Kit, done: Draft) -> Image:
    """Record and tag the image, or find it: a build that changed nothing gives the same image."""
    request = kit.request
    config = attrs.evolve(done.config, labels={**done.config.labels, **request.labels})
    step = kit.progress.begin("exporting to image")
    image = _same_image(kit, config, done)
    if image is None:
        image = kit.images.add_image(
            config,
            done.layers,
            history=done.history,
            tags=request.tags,
            created=kit.settings.created,
        )
    else:
        for tag in request.tags:
            kit.images.tag(tag, image.id)
    for tag in request.tags:
        kit.progress.note(f"naming to {tag}")
    step.done()
    return image


def _same_image(kit: Kit, config: ImageConfig, done: Draft) -> Image | None:
    """An image of the store that differs at most in its times."""
    if kit.request.no_cache or kit.epoch is not None:
        return None
    tagged = (kit.images.find(tag) for tag in kit.request.tags)
    for image in itertools.chain(tagged, kit.images.list()):
        if (
            image is not None
            and image.layers == done.layers
            and image.config == config
            and _texts(image.history) == _texts(done.history)
        ):
            return image
    return None


def _texts(history: Sequence[HistoryEntry]) -> list[tuple[str, bool]]:
    return [(entry.created_by, entry.is_empty) for entry in history]
