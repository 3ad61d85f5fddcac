"""What an adapter was made of: which base at which commit, what licence that leaves, and what that wants
beside it."""

from collections.abc import Iterator
from pathlib import Path

from model_cards.checks import Check, Fault
from model_cards.evals import dataset_id
from model_cards.licences import metadata, notice
from model_cards.repo import README_NAME, Repo
from zoo.bases import Base, bases
from zoo.datasets import datasets
from zoo.licences import AND, is_wider, narrowest, obliging
from zoo.manifest import CONFIG_NAME, MANIFEST_NAME, NOTICE_NAME, TERMS_NAME

_LEFT_BEHIND = "the base's terms do not go along"


def base(repo: Repo) -> Check:
    """The base is named, by one name everywhere, known here and pinned."""
    named = {
        MANIFEST_NAME: repo.manifest.base.repo if repo.manifest else "",
        CONFIG_NAME: str(repo.config.get("base_model_name_or_path") or ""),
        README_NAME: _one(repo.metadata.get("base_model")),
    }
    revisions = {
        MANIFEST_NAME: repo.manifest.base.revision if repo.manifest else "",
        CONFIG_NAME: str(repo.config.get("revision") or ""),
    }
    faults = [
        Fault(
            what=f"several {what}",
            value=", ".join(f"{value} in {where}" for where, value in said.items() if value),
            next="name the one that it was trained on in each of them",
        )
        for what, said in (("bases", named), ("revisions of the base", revisions))
        if len({value for value in said.values() if value}) > 1
    ]
    if not any(named.values()):
        said = f"set base_model in {README_NAME} and base_model_name_or_path in {CONFIG_NAME}"
        return Check(name="base", faults=(Fault(what="no base is named", value=repo.name, next=said),))
    name = next(value for value in named.values() if value)
    revision = next((value for value in revisions.values() if value), "")
    if not revision:
        faults.append(
            Fault(
                what="missing base revision",
                value=f"{name} at whatever commit its main branch has",
                next=f'set "revision": "<full commit>" in {CONFIG_NAME}',
            )
        )
    unknown = ""
    if _declared(repo) is None:
        if repo.manifest is None:
            unknown = f"{name} is no base of this installation, so its licence and revision are not known"
        else:
            faults.append(
                Fault(what="base unknown", value=f"{name}, none of {', '.join(bases())}", next="medzoo bases")
            )
    told = f"{name} at {revision[:12]}" if revision else name
    return Check(name="base", faults=tuple(faults), told=told, unknown=unknown)


def licence(repo: Repo) -> Check:
    """The licence is stated, and no wider than those of the base and of the data."""
    claimed = _claimed_licence(repo)
    if not claimed:
        said = f"set license in {README_NAME}, no wider than the base's and the data's"
        return Check(name="licence", faults=(Fault(what="no licence", value=repo.name, next=said),))
    known, unknown = _bounds(repo)
    faults = []
    if repo.manifest is not None:
        stated = {key: repo.metadata[key] for key in ("license", "license_name") if key in repo.metadata}
        if stated and not stated.items() <= metadata(repo.manifest.license, link="").items():
            said = f"{_stated_licence(repo)} in {README_NAME}, {claimed} in {MANIFEST_NAME}"
            faults.append(Fault(what="several licences", value=said, next=repo.again))
    if known and is_wider(claimed, *known.values()):
        limits = ", ".join(f"{of} {bound}" for of, bound in known.items())
        faults.append(
            Fault(
                what="licence wider than allowed",
                value=f"{claimed}, with {limits}",
                next=f"license it as {narrowest(*known.values())}",
            )
        )
    return Check(name="licence", faults=tuple(faults), told=claimed, unknown=_not_known(unknown))


def terms(repo: Repo) -> Check:
    """The files that its licence, or that of the base or the data, wants beside it are there."""
    known, unknown = _bounds(repo)
    licence = narrowest(_claimed_licence(repo), *known.values())
    wanted = [NOTICE_NAME] * bool(notice(licence)) + [TERMS_NAME] * bool(obliging(licence))
    return Check(
        name="terms",
        faults=(*_without_notice(repo, licence), *_without_copy(repo, licence)),
        told=" and ".join(wanted) or ("" if unknown else "no file is wanted beside it"),
        unknown=_not_known(unknown),
    )


def _not_known(unknown: list[str]) -> str:
    return f"not known: the licence of {', '.join(unknown)}" if unknown else ""


def _without_notice(repo: Repo, licence: str) -> list[Fault]:
    """That the file which the licence wants beside it is missing, or lacks a sentence."""
    wanted = notice(licence)
    path = repo.folder / NOTICE_NAME
    said = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if all(line in said for line in wanted.splitlines()):
        return []
    by_hand = f"put a file {NOTICE_NAME} beside it that says: {wanted.strip()}"
    value = f"{NOTICE_NAME} does not say what {licence} asks for" if said else f"no {NOTICE_NAME}"
    next_ = repo.again if repo.manifest else by_hand
    return [Fault(what=_LEFT_BEHIND, value=value, next=next_)]


def _without_copy(repo: Repo, licence: str) -> list[Fault]:
    """That no copy of terms that must go along lies beside it. A copy is told by its title alone."""
    path = repo.folder / TERMS_NAME
    said = " ".join(path.read_text(encoding="utf-8", errors="replace").split()) if path.is_file() else ""
    here = Path(repo.name).is_dir()
    place = Path(repo.name) if here else Path("FOLDER")
    then = ""
    if repo.manifest is not None:
        where = (repo.manifest.repo if here else repo.name.partition("@")[0]) or "OWNER/NAME"
        then = f", then medzoo publish {place} {where}"
    return [
        Fault(
            what=_LEFT_BEHIND,
            value=f"{TERMS_NAME} is no copy of the {one.title}" if said else f"no copy of the {one.title}",
            next=f"save the text of {one.link} as {place / TERMS_NAME}{then}",
        )
        for one in obliging(licence)
        if one.title.casefold() not in said.casefold()
    ]


def _declared(repo: Repo) -> Base | None:
    """What this installation declares of the base."""
    if repo.manifest is not None:
        return bases().get(repo.manifest.base.name)
    named = {repo.config.get("base_model_name_or_path"), _one(repo.metadata.get("base_model"))}
    return next((one for one in bases().values() if one.repo in named), None)


def _claimed_licence(repo: Repo) -> str:
    """In the zoo's form; of a card that lists several, all of them."""
    return repo.manifest.license.strip() if repo.manifest is not None else _stated_licence(repo)


def _stated_licence(repo: Repo) -> str:
    """That of the card's metadata."""
    stated = repo.metadata.get("license")
    named = [one for one in (stated if isinstance(stated, list) else [stated]) if isinstance(one, str)]
    return AND.join(
        _one(repo.metadata.get("license_name")) or one if one == "other" else one for one in named
    )


def _bounds(repo: Repo) -> tuple[dict[str, str], list[str]]:
    """Licences of what the adapter was made of, by what it is; and of what they are not known."""
    found, unknown = {}, []
    declared = _declared(repo)
    if declared is not None:
        found["base"] = declared.license
    else:
        unknown.append("the base")
    for name in _data(repo):
        known = next((d for d in datasets().values() if name in _names_of(d.name)), None)
        noted = repo.manifest.data.license if repo.manifest is not None else ""
        declares = known.license if known is not None and known.license != "unknown" else ""
        if noted or declares:
            found[f"data {name}"] = narrowest(noted, declares)
        else:
            unknown.append(name)
    if not any(_data(repo)):
        unknown.append("the data")
    return found, unknown


def _data(repo: Repo) -> Iterator[str]:
    if repo.manifest is not None:
        yield repo.manifest.data.dataset
        return
    named = repo.metadata.get("datasets")
    yield from map(str, named if isinstance(named, list) else [named] if named else [])


def _names_of(name: str) -> set[str]:
    source = datasets()[name].source
    return {name, dataset_id(name), *([source.repo] if source else [])}


def _one(raw: object) -> str:
    """A text, or the first of a list of texts."""
    raw = raw[0] if isinstance(raw, list) and raw else raw
    return raw if isinstance(raw, str) else ""
