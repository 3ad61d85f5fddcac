"""How the zoo reaches a Hub: its address, the token for it, where its files are kept, what its errors mean.

It knows nothing of adapters. Every Hub has a cache of its own on disk, since two of them may give other
files under one repo's name; huggingface.co has the one that all its tools share.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx2
from huggingface_hub import HfApi, close_session, constants, get_session, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from zoo.errors import BadInput, HubError, HubUnreachable, NotOnHub, ZooError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SILENCE_S = 60.0
"""How long any Hub may keep silent within a call, in seconds; by itself the client waits for ever."""
_changing_proxies = threading.Lock()


def hub_address(endpoint: str | None = None) -> str:
    """The Hub's address: `endpoint`, else HF_ENDPOINT, else huggingface.co.

    Raises:
        BadInput: it is no http or https address.
    """
    address = (endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise BadInput(
            f"{shown(address)!r} is no Hub's address", hint="give one such as http://127.0.0.1:8710"
        )
    return address


def shown(text: str) -> str:
    """An address, or a text with one in it, without the user name and password that it may hold."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def hub_api(address: str, token: str | None, *, ours_alone: bool = False) -> HfApi:
    """A client of that Hub, made for one call; `token` None means the one that `_token_for` finds.

    With `ours_alone` HF_TOKEN is taken to be the configured Hub's and goes to no other, as where two Hubs are
    asked in one act.

    A Hub on loopback is never asked through a proxy: see `_go_direct` for what that changes in NO_PROXY.
    """
    if _is_loopback(address):
        _go_direct(urlsplit(address).hostname or "")
    get_session().timeout = httpx2.Timeout(SILENCE_S)
    return HfApi(
        endpoint=address, token=token or _token_for(address, ours_alone=ours_alone), library_name="medvlm-zoo"
    )


def _token_for(address: str, *, ours_alone: bool) -> str | bool:
    """HF_TOKEN anywhere; a stored login on the configured Hub only; on loopback `local`, which signs in on an
    embedded Hub without users and is as good as none on one with them."""
    token = os.environ.get("HF_TOKEN")
    if token and not (ours_alone and address != hub_address()):
        return token
    if _is_loopback(address):
        return "local"
    return (get_token() if address == hub_address() else None) or False


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _go_direct(host: str) -> None:
    """Keep what is sent to a loopback host, token and all, from the proxy that the environment names.

    `huggingface_hub` reads the proxies once, when it makes the client that all its calls share. So the host
    and all of `LOOPBACK` are added to NO_PROXY and no_proxy of this process, for its children too, and a
    client made before is closed; the next call makes another. Proxies of the operating system's own
    settings are written beside it, since NO_PROXY alone would hide them. Without a proxy nothing is changed.
    """
    with _changing_proxies:
        found = getproxies()
        proxies = {f"{kind}_proxy": found[kind] for kind in ("http", "https", "all") if found.get(kind)}
        direct = [one.strip() for one in found.get("no", "").split(",") if one.strip()]
        missing = [one for one in dict.fromkeys((host, *LOOPBACK)) if one not in direct]
        if not proxies or not missing or "*" in direct:
            return
        os.environ.update(proxies)
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join([*direct, *missing])
        close_session()


def is_shared(address: str) -> bool:
    """Whether that Hub is huggingface.co, under whatever name, and not one of one's own."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    return f".{host}".endswith((".huggingface.co", ".hf.co"))


def cache_of(address: str) -> Path:
    """Where files of that Hub are kept on this machine."""
    parts = urlsplit(address)
    if parts.hostname == "huggingface.co":
        return Path(constants.HF_HUB_CACHE)
    return Path(constants.HF_HUB_CACHE) / "hubs" / f"{parts.hostname}-{parts.port or parts.scheme}"


def recall(address: str, repo: str, revision: str) -> str | None:
    """The sha that this Hub last gave for a revision on this machine; None if it never did."""
    path = _ref_file(address, repo, revision)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def remember(address: str, repo: str, revision: str, sha: str) -> None:
    """Keep what a revision stood for, where `huggingface_hub` keeps it, for when the Hub is out of reach."""
    path = _ref_file(address, repo, revision)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(sha, encoding="utf-8")
    os.replace(part, path)


def _ref_file(address: str, repo: str, revision: str) -> Path:
    return cache_of(address) / f"models--{repo.replace('/', '--')}" / "refs" / revision


@contextmanager
def asking(what: str, address: str) -> Iterator[None]:
    """Turn what `huggingface_hub` raises into the zoo's errors, which name the thing and the Hub."""
    address = shown(address)
    try:
        yield
    except ZooError:
        raise
    except GatedRepoError as error:
        raise NotOnHub(
            f"{what} on {address} is gated and not open to this user",
            hint=f"accept its terms at {address}/{what.partition('@')[0]} and set HF_TOKEN",
        ) from error
    except RepositoryNotFoundError as error:
        raise NotOnHub(
            f"{what} is not on {address}, or not for this user",
            hint=f"medzoo ls --hub {address} lists what is there; set HF_TOKEN for a private repo",
        ) from error
    except RevisionNotFoundError as error:
        raise NotOnHub(f"{what}: {address} has the repo, but no such revision", hint="try @main") from error
    except LocalEntryNotFoundError as error:
        raise HubUnreachable(f"{what}: {address} does not answer and the files are not all here") from error
    except EntryNotFoundError as error:
        raise NotOnHub(f"{what}: {address} has the repo, but no such file in it") from error
    except HFValidationError as error:
        raise BadInput(shown(f"{what}: {error}")) from error
    except HfHubHTTPError as error:
        raise _refusal(what, address, error) from error
    except OfflineModeIsEnabled as error:
        raise HubUnreachable(
            f"{what}: {address} is not asked, for HF_HUB_OFFLINE is set",
            hint="unset it; what was fetched before needs no Hub: REPO, or REPO@SHA with the full commit",
        ) from error
    except httpx2.HTTPError as error:
        reason = shown(str(error)).splitlines()[0] if str(error) else type(error).__name__
        raise HubUnreachable(
            f"{what}: {address} does not answer ({reason})",
            hint="is it up? `medzoo hub serve` starts an embedded one; --hub or HF_ENDPOINT names another",
        ) from error


def _refusal(what: str, address: str, error: HfHubHTTPError) -> HubError:
    status = error.response.status_code
    if status == 412:
        return moved_on(what)
    if status in (401, 403):
        hint = f"set HF_TOKEN to a token of {address} that may do this"
        return HubError(f"{what}: {address} does not let this user in ({status})", hint=hint)
    if status >= 500:
        return HubUnreachable(f"{what}: {address} failed with {status}", hint="try again later")
    return HubError(f"{what}: {address} answered {status}: {shown(error.server_message or str(error))}")


def moved_on(what: str) -> HubError:
    """A repo's head is not the one that a commit was meant for."""
    return HubError(
        f"{what}: someone else published to it meanwhile, so nothing of yours was",
        hint="look at the new commit, then run the same command again",
    )
