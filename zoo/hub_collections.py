"""The collections of the zoo on a Hub: one for each base in a namespace, found by its title.

A Hub without collections is no error: there is then none to be in.
"""

from dataclasses import dataclass

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from zoo.hub_access import asking, hub_address, hub_api

_ABSENT = (404, 405, 501)
"""How a Hub without collections answers."""
_ABOUT = "Adapters of MedVLM Zoo. Research software, not a medical device."


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Whether a repo is in the collection of its base."""

    title: str
    slug: str | None
    """The collection's name on the Hub; None while there is none."""
    holds: bool
    supported: bool = True
    """False on a Hub that has no collections."""


def membership(base: str, repo: str, *, endpoint: str | None = None, token: str | None = None) -> Membership:
    """Whether `repo` is in the collection of its base in its namespace.

    Raises:
        HubError: the Hub could not be asked.
    """
    address = hub_address(endpoint)
    with asking(f"the collections of {repo.partition('/')[0]}", address):
        return _found(hub_api(address, token), f"MedVLM Zoo: {base}", repo)


def add_to_collection(
    base: str, repo: str, *, endpoint: str | None = None, token: str | None = None
) -> Membership:
    """Put `repo` into the collection of its base, which is created if it is absent.

    The collection is public even where the repo is private: later ones may not be, and a Hub shows a private
    item only to those who may see it.

    Doing it again changes nothing.

    Raises:
        HubError: the Hub could not be asked, or refused.
    """
    address = hub_address(endpoint)
    namespace = repo.partition("/")[0]
    with asking(f"the collections of {namespace}", address):
        api = hub_api(address, token)
        found = _found(api, f"MedVLM Zoo: {base}", repo)
        if found.holds or not found.supported:
            return found
        slug = found.slug
        if slug is None:
            made = api.create_collection(
                found.title, namespace=namespace, description=_ABOUT, private=False, exists_ok=True
            )
            slug = made.slug
        api.add_collection_item(slug, repo, "model", exists_ok=True)
    return Membership(title=found.title, slug=slug, holds=True)


def _found(api: HfApi, title: str, repo: str) -> Membership:
    try:
        of_owner = list(api.list_collections(owner=repo.partition("/")[0]))
    except HfHubHTTPError as error:
        if error.response.status_code not in _ABSENT:
            raise
        return Membership(title=title, slug=None, holds=False, supported=False)
    slug = next((one.slug for one in of_owner if one.title == title), None)
    # a list shows but the first items of each collection
    items = api.get_collection(slug).items if slug else []
    holds = any((item.item_type, item.item_id) == ("model", repo) for item in items)
    return Membership(title=title, slug=slug, holds=holds)
