"""What tests of publishing and fetching call their adapter, and its card."""

from huggingface_hub import HfApi

REPO = "zoo/phantom-mdpo"
CARD = "---\nlicense: apache-2.0\ntags:\n- medvlm-zoo\n- {variant}\n- phantom\n---\n# an adapter\n"


def api_of(hub: str) -> HfApi:
    """A Hub as who may write to it."""
    return HfApi(endpoint=hub, token="local")


def files_at(hub: str, sha: str) -> list[str]:
    """The files of the repo at a commit."""
    return sorted(set(api_of(hub).list_repo_files(REPO, revision=sha)) - {".gitattributes"})
