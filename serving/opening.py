"""From settings to a running service: load the base, bring the adapters here, load them, start the engine.

Everything that can be wrong with what the operator typed is found here, before the first question.
"""

from collections.abc import Callable, Mapping, Sequence

from serving.core.engine import Engine
from serving.core.registry import Registry
from serving.core.watch import Watch, guarded
from serving.defence.pace import Quota
from serving.library import Hub, Library, Names, ZooHub, name_adapters
from serving.library.together import SharedHub, join
from serving.metrics import Metrics
from serving.service import Service
from serving.settings import Settings
from serving.shared import Shared
from zoo.bases import Base, get_base
from zoo.errors import HubUnreachable, UnknownName, ZooError
from zoo.hub import RepoRef, hub_address, parse_ref, shown
from zoo.manifest import read_manifest

Say = Callable[[str], None]


def open_shared(settings: Settings) -> Shared | None:
    """What this server shares with others, if it does.

    Raises:
        BadInput, Busy: the database cannot be opened.
    """
    if settings.shared is None:
        return None
    quota = Quota(
        per_minute=settings.requests_per_minute, burst=settings.burst, at_once=settings.max_concurrent
    )
    scope = f"{settings.base} {shown(hub_address(settings.hub))}"
    return Shared(settings.shared, scope=scope, quota=quota)


def open_service(settings: Settings, *, say: Say, shared: Shared | None = None) -> Service:
    """A service that is ready for questions; `say` is told each step, for people.

    Raises:
        ZooError: an unknown base, or an adapter that was named and cannot be had or served.
    """
    base = get_base(settings.base)
    hub = ZooHub(settings.hub, max_bytes=settings.max_adapter_bytes, folder=settings.shared_cache)
    named = settings.adapters
    aliases = name_adapters(bring_named(named, hub) if named else list_adapters(settings.hub, base, say))
    return build_service(settings, hub=hub, aliases=aliases, say=say, listed=not named, shared=shared)


def build_service(
    settings: Settings,
    *,
    hub: Hub,
    aliases: Mapping[str, RepoRef],
    say: Say,
    listed: bool = False,
    shared: Shared | None = None,
) -> Service:
    """The same with the adapters named already: each alias and what it stands for on `hub`. If they are only
    `listed` there, nobody having asked for them, one that cannot be served is left out, and that is said.

    Raises:
        ZooError: see `open_service`.
    """
    base = get_base(settings.base)
    known = {**aliases, **(shared.mirror.aliases if shared else {})}
    for alias in settings.pin:
        if alias not in known:
            raise UnknownName("adapter to pin", alias, known)
    names, others = Names(aliases, allow=settings.allow), frozenset[str]()
    if shared is not None:
        names, others = join(shared, aliases, allow=settings.allow, say=say)
        hub, aliases = SharedHub(hub, shared.mirror, shared.table), names.aliases
    registry, metrics = Registry(slots=settings.slots), Metrics()
    watch: Watch = metrics
    if settings.traces:
        from serving.traces import open_traces  # an extra's libraries

        watch = guarded(metrics, open_traces(settings.traces, dropped=metrics.dropped))
    engine = open_engine(base, settings, registry, metrics=metrics, watch=watch, say=say)
    library = Library(hub, registry, names, watch=watch)
    service = Service(
        base=base,
        engine=engine,
        library=library,
        registry=registry,
        max_adapters=min(settings.max_adapters, settings.max_rows, settings.slots + 1),
        max_question_chars=settings.max_question_chars,
        max_new_tokens=settings.max_new_tokens,
        timeout_s=settings.timeout_s,
        metrics=metrics,
        watch=watch,
    )
    try:
        for alias in list(dict.fromkeys((*settings.pin, *aliases)))[: settings.slots]:
            try:
                adapter = service.prepare(alias, pin=alias in settings.pin)
            except ZooError as error:
                if alias in others and alias not in settings.pin:
                    say(f"not loaded, though the servers have it: {alias}: {error.message}")
                    continue
                if alias in aliases and alias not in others:
                    names.withdraw(alias)
                if not listed or alias in settings.pin:
                    raise
                say(f"left out {aliases[alias]}: {error.message}")
            else:
                say(f"loaded {alias}: {adapter.id}")
        names.publish()
    except Exception:  # whatever it was, the engine's thread must not outlive it
        service.close()
        raise
    return service


def open_engine(
    base: Base, settings: Settings, registry: Registry, *, metrics: Metrics, watch: Watch, say: Say
) -> Engine:
    """What makes the answers: a model in this process, replicas in others, or a vLLM.

    Raises:
        ZooError: the base cannot be loaded, the cluster not be had, or the vLLM is not there or has another
            base.
    """
    if settings.cluster is not None:
        from serving.cluster.opening import open_remote  # an extra's libraries

        return open_remote(base, settings, registry, metrics=metrics, watch=watch, say=say)
    if settings.engine == "vllm":
        return _open_vllm(base, settings, registry, watch=watch, say=say)
    where = "" if settings.device == "auto" else f" on {settings.device}"
    say(f"loading the base {base.pinned}{where}")
    from serving.engines.opened import open_embedded

    return open_embedded(base, settings, registry, watch=watch)


def _open_vllm(base: Base, settings: Settings, registry: Registry, *, watch: Watch, say: Say) -> Engine:
    from serving.engines.vllm.engine import VllmEngine
    from serving.engines.vllm.model import VllmModel  # torch: seconds to import
    from serving.engines.vllm.server import Server

    key = settings.engine_key.get_secret_value() if settings.engine_key else ""
    server = Server(settings.engine_url or "", key=key)
    say(f"asking vLLM at {server.url} for the base {base.pinned} in {settings.dtype}")
    model = VllmModel(
        base,
        server,
        dtype=settings.dtype,
        slots=settings.slots,
        max_rank=settings.max_rank,
        folder=settings.engine_folder,
        say=say,
    )
    return VllmEngine(
        model,
        registry,
        slots=settings.slots,
        max_rows=settings.max_rows,
        max_waiting_rows=settings.max_waiting_rows,
        feature_bytes=settings.feature_bytes,
        feature_ttl_s=settings.feature_ttl_s,
        host_bytes=settings.host_bytes,
        watch=watch,
    )


def bring_named(written: Sequence[str], hub: Hub) -> list[tuple[str, RepoRef]]:
    """The variant of each adapter that is named by `repo` or `repo@revision`, and where it is; fetched. With
    the Hub out of reach a revision is what it last stood for."""
    found = []
    for text in written:
        ref = parse_ref(text)
        try:
            sha = hub.resolve(ref.repo, ref.revision)
        except HubUnreachable:
            known = hub.last_resolved(ref.repo, ref.revision)
            if known is None:
                raise
            sha = known
        found.append((read_manifest(hub.fetch(ref.repo, sha)).variant.name, ref))
    return found


def list_adapters(hub: str | None, base: Base, say: Say) -> list[tuple[str, RepoRef]]:
    """The variant of every adapter of the Hub that was made for this very base, and where it is; what is left
    out is said."""
    from zoo.catalog import adapters

    found = []
    try:
        entries = adapters(base=base.name, endpoint=hub)
    except ZooError as error:
        say(f"no adapter was named and the Hub's list cannot be had, so the base serves alone: {error}")
        return []
    for entry in entries:
        if entry.manifest is None:
            say(f"left out {entry.repo}: {entry.error}")
        elif entry.manifest.base.revision != base.revision:
            made_for = f"{entry.manifest.base.name}@{entry.manifest.base.revision}"
            say(f"left out {entry.repo}: it was made for {made_for}, and this is {base.pinned}")
        else:
            found.append((entry.manifest.variant.name, RepoRef(entry.repo)))
    if not found:
        say(f"{shown(hub_address(hub))} has no adapter for {base.pinned}, so the base serves alone")
    return found
