"""The folder or the Hub repo that a user names, read for checks. An adapter without a `zoo.json` will do."""

from pathlib import Path
from typing import Any

from huggingface_hub.errors import LocalEntryNotFoundError

from model_cards.repo import Repo, read_repo
from zoo.errors import BadInput, HubUnreachable
from zoo.hub import ADAPTER, parse_ref, resolve
from zoo.hub_access import asking, cache_of, hub_address, hub_api
from zoo.manifest import CONFIG_NAME, WEIGHTS_NAME


def found(name: str, *, endpoint: str | None = None) -> Repo:
    """The adapter in the folder `name`, or in the repo `name` (`owner/name[@revision]`) of a Hub.

    Raises:
        BadInput: it is neither.
        NotOnHub: there is no such repo or revision, or not for this user.
        HubUnreachable: the Hub does not answer, and the files are not here from before.
    """
    if Path(name).is_dir():
        return read_repo(Path(name), name=name)
    ref = parse_ref(name)
    address = hub_address(endpoint)
    sha = resolve(ref.repo, ref.revision, endpoint=address)
    api, pinned = hub_api(address, None), f"{ref.repo}@{sha}"
    wanted: dict[str, Any] = {
        "revision": sha,
        "cache_dir": cache_of(address),
        "allow_patterns": [*ADAPTER.files],
    }
    try:
        with asking(pinned, address):
            listed = api.list_repo_files(ref.repo, revision=sha)
            folder = api.snapshot_download(ref.repo, **wanted)
    except HubUnreachable:
        try:
            folder, listed = api.snapshot_download(ref.repo, local_files_only=True, **wanted), []
        except LocalEntryNotFoundError:
            folder = ""
        if not folder:
            raise
    if not any((Path(folder) / one).is_file() for one in (CONFIG_NAME, WEIGHTS_NAME)):
        raise BadInput(
            f"{pinned} is no adapter: it has neither {CONFIG_NAME} nor {WEIGHTS_NAME}", hint="medzoo ls"
        )
    return read_repo(Path(folder), name=pinned, listed=listed)
