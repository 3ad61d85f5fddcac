"""A data set's files from its Hub repo, pinned to a commit, with its zip archives unpacked beside them."""

import os
import shutil
import zipfile
from pathlib import Path

from zoo.hub_access import asking, cache_of, hub_address, hub_api


def fetch_files(repo: str, revision: str) -> Path:
    """The folder of a data set repo's files at a full commit; one that was fetched before needs no network.

    Raises:
        NotOnHub: the Hub has no such data set or commit, or not for this user.
        HubUnreachable: the Hub does not answer.
    """
    address = hub_address()
    folder = cache_of(address) / "medvlm-zoo-datasets" / repo.replace("/", "--") / revision
    if folder.is_dir():
        return folder
    api = hub_api(address, None)
    with asking(f"{repo}@{revision}", address):
        api.dataset_info(
            repo, revision=revision
        )  # fails at once, where the download would try again for long
        snapshot = Path(
            api.snapshot_download(repo, repo_type="dataset", revision=revision, cache_dir=cache_of(address))
        )
    part = folder.with_name(f"{revision}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path in sorted(p for p in snapshot.rglob("*") if p.is_file()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(part)
        else:
            copy = part / path.relative_to(snapshot)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    os.replace(part, folder)
    return folder
