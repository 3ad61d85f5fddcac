"""A model's files brought from a Hub at one commit, so that it is loaded from a folder as any other is.

A name such as `OWNER/NAME` is never given to transformers, which would take a folder of that name instead.
"""

from pathlib import Path
from typing import Any

from huggingface_hub.errors import LocalEntryNotFoundError

from zoo.errors import BadInput
from zoo.hub_access import asking, cache_of, hub_address, hub_api
from zoo.model_files import FolderFiles
from zoo.tensor_files import read_tensor_files

_READ = ("*.json", "*.jinja", "*.model", "*.safetensors", "*.txt")
_PICKLE = "pytorch_model.bin"


def fetch_model(repo: str, sha: str, *, pickled: bool = False) -> Path:
    """The folder of a model's files at a full commit; what was fetched before needs no network. With
    `pickled` a repo without safetensors gives its pickle, to be read by `weights_only` alone.

    Raises:
        BadInput: its weights there are not whole.
        NotOnHub: no such repo or commit, or not for this user.
        HubUnreachable: the Hub does not answer and the files are not all here.
    """
    address = hub_address()
    api = hub_api(address, None)
    wanted: dict[str, Any] = {
        "revision": sha,
        "cache_dir": cache_of(address),
        "allow_patterns": [*_READ, *([_PICKLE] if pickled else [])],
        "ignore_patterns": ["*/*"],
    }
    try:
        return _whole(api.snapshot_download(repo, local_files_only=True, **wanted), pickled=pickled)
    except (LocalEntryNotFoundError, BadInput):
        pass  # not all of it is here yet, so the Hub is asked
    with asking(f"{repo}@{sha}", address):
        # Fails at once, where the download would try again for long.
        files = [one.rfilename for one in api.model_info(repo, revision=sha).siblings or ()]
        if any(name.endswith(".safetensors") and "/" not in name for name in files):
            wanted["ignore_patterns"].append(_PICKLE)
        return _whole(api.snapshot_download(repo, **wanted), pickled=pickled)


def _whole(folder: str, *, pickled: bool) -> Path:
    place = Path(folder)
    if not (pickled and (place / _PICKLE).is_file() and not any(place.glob("*.safetensors"))):
        read_tensor_files(FolderFiles(place)).require_whole()
    return place
