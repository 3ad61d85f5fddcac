"""Every setting with where it comes from, and all that is wrong with them together. Loads no model."""

import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path

from serving.check.addresses import is_address, without_password
from serving.check.answering import cluster, engine, slow, what_fits
from serving.defence.addresses import is_loopback
from serving.defence.keys import read_keys
from serving.defence.proxies import read_addresses
from serving.settings import PREFIX, Settings, try_settings, variable
from zoo.bases import get_base
from zoo.errors import ZooError
from zoo.hub import parse_ref
from zoo.hub_access import hub_address
from zoo.vlm.fetched import where_files_are

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]+)?")
PUBLIC_BASE = "phantom"
"""The one base that strangers may ask."""
_ADDRESSES = ("hub", "annotations", "shared", "traces", "engine_url")
"""Settings in which a password may stand."""
_ELSEWHERE = ("KEY", "LLM_KEY", "PARENT")
"""Variables that other parts read."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting."""

    variable: str
    value: str
    source: str
    """flag, environment or default."""
    description: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found."""

    settings: Settings
    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    """What must be mended before the server starts."""
    remarks: tuple[str, ...]
    """What may be a slip."""
    base: str
    """Where the base's files are; empty if it cannot be loaded."""


def check_settings(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Checked:
    """Look at everything that is set. A setting that is not allowed counts as its default for the rest."""
    environment = os.environ if environment is None else environment
    upper = {name.upper(): value for name, value in environment.items()}
    settings, wrong = try_settings(**flags)
    no_accounts, few_accounts = _accounts(settings)
    base, no_base = _base(settings)
    return Checked(
        settings=settings,
        rows=tuple(_row(name, settings, flags, upper) for name in Settings.model_fields),
        problems=(*wrong, *_problems(settings), *no_base, *no_accounts, *_shared(settings)),
        remarks=(*_strangers(upper), *slow(settings), *_open(settings), *few_accounts),
        base=base,
    )


def _row(name: str, settings: Settings, flags: Mapping[str, object], environment: Mapping[str, str]) -> Row:
    value = getattr(settings, name)
    shown = ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
    set_there = "environment" if environment.get(variable(name)) else "default"
    return Row(
        variable=variable(name),
        value=without_password(shown) if name in _ADDRESSES else shown,
        source="flag" if name in flags else set_there,
        description=Settings.model_fields[name].description or "",
    )


def _problems(settings: Settings) -> list[str]:
    """All that is wrong with settings that are allowed one by one."""
    found = [*_who_may_ask(settings), *_where(settings), *what_fits(settings)]
    found += [*engine(settings), *cluster(settings)]
    try:
        hub_address(settings.hub)
    except ZooError as error:
        found.append(_line(error))
    for written in settings.adapters:
        try:
            parse_ref(written)
        except ZooError as error:
            found.append(_line(error))
    found += [f"the adapter {one} is named twice" for one in _twice(settings.adapters)]
    for pattern in settings.allow:
        if not set(pattern) & set("/*?["):
            found.append(f"allow has {pattern!r}, which no repo fits: write {pattern}/* or {pattern}/NAME")
    return found


def _base(settings: Settings) -> tuple[str, list[str]]:
    """Where its files are, and why it cannot be loaded. Asks no Hub."""
    try:
        return where_files_are(get_base(settings.base)), []
    except ZooError as error:
        return "", [_line(error)]


def _twice(words: Sequence[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if words.count(word) > 1]


def _where(settings: Settings) -> list[str]:
    """What this machine must have."""
    found = []
    if not _DEVICE.fullmatch(settings.device):
        found.append(f"device is {settings.device!r}; it is auto, cpu, cuda, or one such as cuda:1")
    elif settings.device.startswith("cuda"):
        import torch  # seconds, so only where it is asked

        count, number = torch.cuda.device_count(), int(settings.device.partition(":")[2] or 0)
        if number >= count:
            found.append(f"device is {settings.device!r} and {count} CUDA devices can be used here")
    if settings.traces is not None:
        found += _traces(settings.traces)
    if settings.shared_cache is not None and not os.access(settings.shared_cache, os.W_OK | os.X_OK):
        found.append(f"shared_cache is {settings.shared_cache}, which is no folder that can be written here")
    try:
        socket.getaddrinfo(settings.host or None, settings.port, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        found.append(f"host is {settings.host!r}, and there is no such address")
    return found


def _traces(address: str) -> list[str]:
    found = []
    if not is_address(address):
        found.append(
            f"traces is {without_password(address)!r}, which is no address such as http://collector:4318"
        )
    try:
        version("opentelemetry-exporter-otlp-proto-http")
    except PackageNotFoundError:
        found.append("traces need a library: pip install 'medvlm-zoo[traces]'")
    return found


def _who_may_ask(settings: Settings) -> list[str]:
    found = _proxies(settings)
    if settings.public_demo:
        found += _public(settings)
    elif settings.keys_file is None:
        if not is_loopback(settings.host) and settings.annotations is None and settings.shared is None:
            found.append(
                f"host is {settings.host!r} and there are no keys, so other machines would be let in; make "
                "one by `medzoo keys new NAME --file FILE` and set MEDZOO_KEYS_FILE, let people sign in "
                "(MEDZOO_ANNOTATIONS), or listen on 127.0.0.1"
            )
    else:
        try:
            if not read_keys(settings.keys_file):
                found.append(f"the file of keys {settings.keys_file} holds none: medzoo keys new NAME")
        except ZooError as error:
            found.append(_line(error))
    for name in settings.hosts:
        if "/" in name or "*" in name:
            found.append(f"hosts has {name!r}: write a name alone, such as zoo.example")
    return found


def _public(settings: Settings) -> list[str]:
    """What strangers must not reach."""
    found = []
    if settings.base != PUBLIC_BASE:
        found.append(
            f"public_demo is for the base {PUBLIC_BASE}, whose scans are drawn, and base is {settings.base}"
        )
    for name in ("keys_file", "annotations", "allow", "remote_images", "proxy_user_header"):
        if getattr(settings, name):
            found.append(f"public_demo and {name} exclude each other: {variable(name)} is set")
    return found


def _proxies(settings: Settings) -> list[str]:
    found = []
    try:
        read_addresses(settings.proxy_addresses)
    except ZooError as error:
        found.append(_line(error))
    header = settings.proxy_user_header
    if header is None:
        return found
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", header):
        found.append(f"proxy_user_header is {header!r}, which is no header's name, such as X-Remote-User")
    if not settings.proxy_addresses:
        found.append(
            "proxy_user_header is set and proxy_addresses is not, so nobody may send it; set "
            "MEDZOO_PROXY_ADDRESSES to the addresses of the proxies"
        )
    if settings.annotations is None:
        found.append(
            "proxy_user_header is set and there are no accounts that a proxy could name; set "
            "MEDZOO_ANNOTATIONS"
        )
    return found


def _accounts(settings: Settings) -> tuple[list[str], list[str]]:
    """What is wrong with where the accounts are, and what may be a slip. Makes no file."""
    where = settings.annotations
    if where is None:
        return [], []
    make = "make one by `medzoo accounts new NAME --role administrator`"
    none = f"nobody has an account in {without_password(where)}: {make}"
    if "://" not in where and not Path(where).expanduser().exists():
        accounts = []
    else:
        from serving.annotations.desk import Desk  # a moment, so only where it is asked

        try:
            desk = Desk(where)
        except ZooError as error:
            return [_line(error)], []
        accounts = [one for one in desk.accounts.all() if one.closed_at is None]
        desk.close()
    if not accounts:
        return ([], [none]) if settings.keyed else ([none], [])
    administrators = [one for one in accounts if one.role == "administrator"]
    return [], [] if administrators else [f"no account is an administrator's, who makes work lists: {make}"]


def _shared(settings: Settings) -> list[str]:
    """What is wrong with what servers share. Makes no file."""
    where = settings.shared
    if where is None:
        return []
    if settings.keys_file is not None:
        return ["shared and keys_file exclude each other, as servers that share have one set of keys"]
    if "://" not in where and not Path(where).expanduser().exists():
        keys = []
    else:
        from serving.shared.key_table import read_keys as read_shared  # a moment, so only where it is asked
        from serving.shared.store import Store

        try:
            store = Store(where)
            with store.read() as connection:
                keys = read_shared(connection)
            store.close()
        except ZooError as error:
            return [_line(error)]
    if keys or settings.annotations is not None or settings.public_demo:
        return []
    return [f"there are no keys in {without_password(where)}: medzoo keys new NAME --shared URL"]


def _has_this_machine(addresses: tuple[str, ...]) -> bool:
    try:
        networks = read_addresses(addresses)
    except ZooError:  # told as a problem
        return False
    return any(ip_address(one) in network for network in networks for one in ("127.0.0.1", "::1"))


def _open(settings: Settings) -> list[str]:
    """What lets more in than may be meant."""
    found = []
    if "*" in settings.allow or "*/*" in settings.allow:
        found.append("allow has '*': a request may name any repo of the Hub")
    secrets = ["keys"] * settings.keyed
    secrets += ["passwords"] * (settings.annotations is not None)
    if secrets and not is_loopback(settings.host):
        found.append(
            f"host is {settings.host!r}: {', '.join(secrets)} and images travel in clear unless a proxy with "
            "TLS is in front"
        )
    if settings.proxy_user_header and _has_this_machine(settings.proxy_addresses):
        found.append(
            "proxy_addresses has this machine: whoever runs a program here can ask in anybody's name"
        )
    return found


def _line(error: ZooError) -> str:
    return f"{error.message}: {error.hint}" if error.hint else error.message


def _strangers(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none."""
    known = [name.upper() for name in Settings.model_fields]
    named = sorted(name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX))
    found = []
    for name in named:
        if name not in known and name not in _ELSEWHERE:
            near = get_close_matches(name, known, n=1)
            found.append(
                f"{PREFIX}{name} is no setting" + (f"; did you mean {PREFIX}{near[0]}?" if near else "")
            )
    return found


def table(rows: Sequence[Row]) -> str:
    """The settings as lines of text."""
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("variable", "value", "source")]
    widths[1] = min(widths[1], 40)
    lines = []
    for row in rows:
        cells = (row.variable.ljust(widths[0]), row.value.ljust(widths[1]), row.source.ljust(widths[2]))
        lines.append("  ".join((*cells, row.description)))
    return "\n".join(lines)
