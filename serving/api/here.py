"""A zoo in this process: the service of `medzoo serve`, without the server."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.api.folders import WithFolders, folder_ref, is_folder
from serving.library import ZooHub, name_adapters
from serving.live import Live
from serving.opening import bring_named, build_service, list_adapters
from serving.service import Asked, Listing
from serving.settings import Settings, read_settings
from zoo.asking import Sampling, question
from zoo.bases import get_base
from zoo.errors import BadInput, HubError, UnknownName
from zoo.hub import RepoRef
from zoo.images import decode

SERVER_S = frozenset(
    {
        *("base", "adapters", "pin", "allow"),  # said by who opens it
        *(
            "host",
            "port",
            "keys_file",
            "hosts",
            "max_connections",
            "head_timeout_s",
            "body_timeout_s",
            "drain_s",
        ),
        *("requests_per_minute", "burst", "max_concurrent", "remote_images", "remote_ports"),
        *("head_timeout_s", "body_timeout_s"),
        *("cluster", "replicas", "max_replicas"),
    }
)
"""Settings of a server that are none here: they cannot be given, and the environment's are not read."""


class Here:
    """A service opened on a base and the adapters that were named."""

    def __init__(
        self,
        base: str,
        adapters: Sequence[str],
        *,
        hub: str | None,
        say: Callable[[str], None],
        settings: Mapping[str, Any],
    ) -> None:
        """Raises: see `serving.api.Zoo`."""
        fields = Settings.model_fields
        for name in settings:
            if name in SERVER_S or name not in fields:
                raise UnknownName("setting", name, fields.keys() - SERVER_S)
        mine = {name: fields[name].default for name in SERVER_S} | {"base": base, "allow": ("*",)}
        chosen = read_settings(**{**mine, **({"hub": hub} if hub else {}), **settings})
        if chosen.load_in_4bit and chosen.load_in_8bit:
            raise BadInput("load_in_4bit and load_in_8bit exclude each other", hint="give one of them")
        folders = [written for written in adapters if is_folder(written)]
        repos = [written for written in adapters if "/" in written and written not in folders]
        variants = [written for written in adapters if "/" not in written and written not in folders]
        both = WithFolders(ZooHub(chosen.hub), folders)
        aliases: dict[str, RepoRef] = {}
        if variants:
            listed = name_adapters(list_adapters(chosen.hub, get_base(base), say))
            for name in variants:
                if name not in listed:
                    raise UnknownName("adapter", name, listed)
                aliases[name] = listed[name]
        with _telling_of_folders(repos):
            found = bring_named(repos, both)
        named = name_adapters([pair for pair in found if pair[1] not in aliases.values()])
        aliases = {**named, **aliases, **{written: folder_ref(written) for written in folders}}
        self._service = build_service(chosen, hub=both, aliases=aliases, say=say)
        self._limits = chosen.limits

    def begin(
        self, images: tuple[bytes, ...], text: str, adapters: tuple[str, ...], wishes: Mapping[str, Any]
    ) -> Live:
        """See `serving.api.Zoo.stream`."""
        asked = Asked(
            images=tuple(decode(one, limits=self._limits) for one in images),
            turns=question(text, images=len(images)),
            adapters=adapters,
            sampling=Sampling(**{"max_tokens": self._service.max_new_tokens, **wishes}),
        )
        return Live(self._service, asked)

    def adapters(self) -> list[Listing]:
        """See `serving.api.Zoo.adapters`."""
        return self._service.adapters()

    def close(self) -> None:
        """End the engine."""
        self._service.close()


@contextmanager
def _telling_of_folders(repos: Sequence[str]) -> Iterator[None]:
    """Where a repo cannot be had and a folder bears its name, how a folder is written is what helps."""
    try:
        yield
    except HubError as error:
        if near := next((written for written in repos if Path(written).is_dir()), None):
            error.hint = f"write ./{near} for the folder of that name"
        raise
