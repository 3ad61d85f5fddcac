"""A model's files brought from a Hub at one commit, so that it is loaded from a folder as any other is; and
where those of a base are before it is loaded.

A name such as `OWNER/NAME` is never given to transformers, which would take a folder of that name instead.
"""

from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from zoo.bases import Base
from zoo.errors import BadInput
from zoo.hub_access import asking, cache_of, hub_address, hub_api, shown
from zoo.model_files import FolderFiles
from zoo.tensor_files import read_tensor_files
from zoo.vlm.shards import require_finished

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
    if here := fetched_model(repo, sha, pickled=pickled):
        return here
    address = hub_address()
    api, wanted = hub_api(address, None), _wanted(sha, pickled=pickled)
    with asking(f"{repo}@{sha}", address):
        # Fails at once, where the download would try again for long.
        files = [one.rfilename for one in api.model_info(repo, revision=sha).siblings or ()]
        if any(name.endswith(".safetensors") and "/" not in name for name in files):
            wanted["ignore_patterns"].append(_PICKLE)
        return _whole(api.snapshot_download(repo, **wanted), pickled=pickled)


def fetched_model(repo: str, sha: str, *, pickled: bool = False) -> Path | None:
    """The same folder if all of it was fetched before, else None; the Hub is not asked."""
    api, wanted = hub_api(hub_address(), None), _wanted(sha, pickled=pickled)
    try:
        return _whole(api.snapshot_download(repo, local_files_only=True, **wanted), pickled=pickled)
    except (LocalEntryNotFoundError, BadInput):
        return None


def where_files_are(base: Base) -> str:
    """Where this machine has the files of a base that can be loaded, or whence and how large they will come,
    for people. The Hub is not asked.

    Raises:
        BadInput: a folder that it lies in is not whole, or the Hub would have to be asked and may not be.
    """
    if base.folder is not None:
        require_finished(base.folder)
        return f"all here, in {_whole(str(base.folder), pickled=False)}"
    if here := fetched_model(base.repo, base.revision):
        return f"fetched, in {here}"
    if constants.HF_HUB_OFFLINE:
        raise BadInput(
            f"the files of {base.pinned} are not all here, and HF_HUB_OFFLINE is set",
            hint=f"unset it, or take the base from a folder: medzoo bases {base.name} --at FOLDER",
        )
    size = f", about {2 * base.parameters / 1e9:.1f} GB in 16 bits" if base.parameters else ""
    gate = ", for those who accepted its terms there" if base.gated else ""
    return f"not all here: fetched at the start from {shown(hub_address())}{size}{gate}"


def _wanted(sha: str, *, pickled: bool) -> dict[str, Any]:
    return {
        "revision": sha,
        "cache_dir": cache_of(hub_address()),
        "allow_patterns": [*_READ, *([_PICKLE] if pickled else [])],
        "ignore_patterns": ["*/*"],
    }


def _whole(folder: str, *, pickled: bool) -> Path:
    place = Path(folder)
    if not (pickled and (place / _PICKLE).is_file() and not any(place.glob("*.safetensors"))):
        read_tensor_files(FolderFiles(place)).require_whole()
    return place
