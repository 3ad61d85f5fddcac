"""What is wrong with the settings of what makes the answers: how much at once, a cluster, a vLLM."""

import os
from importlib.util import find_spec

from serving.check.addresses import is_address, without_password
from serving.settings import Settings
from zoo.vllm import RANKS


def what_fits(settings: Settings) -> list[str]:
    """What cannot be had at once."""
    found = []
    given = settings.model_fields_set
    if "max_adapters" in given and settings.max_adapters > settings.max_rows:
        found.append(
            f"max_adapters is {settings.max_adapters} and max_rows {settings.max_rows}: a comparison is made "
            "at once"
        )
    if "max_adapters" in given and settings.max_adapters > settings.slots + 1:
        found.append(
            f"max_adapters is {settings.max_adapters} and slots {settings.slots}: a comparison needs a slot "
            "for each adapter but the base"
        )
    if len(settings.pin) > settings.slots:
        found.append(f"{len(settings.pin)} adapters are pinned and slots is {settings.slots}")
    if settings.load_in_4bit and settings.load_in_8bit:
        found.append("load_in_4bit and load_in_8bit exclude each other")
    if (settings.load_in_4bit or settings.load_in_8bit) and find_spec("bitsandbytes") is None:
        found.append("a base in 4 or 8 bits needs bitsandbytes: pip install 'medvlm-zoo[train]'")
    return found


def engine(settings: Settings) -> list[str]:
    """What a vLLM needs, and what is for it or for the embedded engine alone."""
    if settings.engine == "embedded":
        given = [one for one in ("engine_url", "engine_key", "engine_folder") if getattr(settings, one)]
        return [f"{one} is set and engine is embedded: it is for --engine vllm" for one in given]
    found = []
    address = settings.engine_url or ""
    if not is_address(address) or "@" in address:
        found.append(
            f"engine_url is {without_password(address)!r}, which is no address of a vLLM, such as "
            "http://127.0.0.1:8000; its key goes into MEDZOO_ENGINE_KEY"
        )
    if settings.dtype == "auto":
        found.append("dtype is auto: say the one that vLLM was started with, by which its answers are proved")
    for name in ("load_in_4bit", "load_in_8bit", "compile"):
        if getattr(settings, name):
            found.append(f"{name} is set and engine is vllm, where the base is vLLM's: start that so")
    if settings.device != "auto":
        found.append(f"device is {settings.device!r} and engine is vllm, where the base is vLLM's")
    if settings.cluster is not None:
        found.append("cluster is set and engine is vllm: replicas run the embedded engine; take one")
    if settings.engine_folder is not None and not settings.engine_folder.is_dir():
        found.append(f"engine_folder is {str(settings.engine_folder)!r}, and there is no such directory")
    if settings.max_rank > RANKS[-1]:
        found.append(f"max_rank is {settings.max_rank}, and vLLM takes at most {RANKS[-1]}")
    return found


def cluster(settings: Settings) -> list[str]:
    """What replicas elsewhere need."""
    if settings.cluster is None:
        return []
    found = []
    if find_spec("ray") is None:
        found.append("cluster is set and Ray is not installed: pip install 'medvlm-zoo[cluster]'")
    if settings.cluster != "local" and os.environ.get("RAY_AUTH_MODE") != "token":
        found.append(
            f"cluster is {settings.cluster!r} and RAY_AUTH_MODE is not 'token': whoever reaches a port of "
            "such a cluster runs programs on it"
        )
    if settings.max_replicas is not None and settings.max_replicas < settings.replicas:
        found.append(f"max_replicas is {settings.max_replicas} and replicas {settings.replicas}")
    return found


def slow(settings: Settings) -> list[str]:
    """What works, and keeps the server from doing as much as it could."""
    if settings.max_waiting_rows >= settings.max_rows:
        return []
    return [
        f"max_waiting_rows is {settings.max_waiting_rows} and max_rows {settings.max_rows}: the next "
        "batch is never full"
    ]
