"""What a name may stand for: aliases, which come and go, and repos that the operator allows. Asks no Hub."""

import re
import threading
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from serving.core.requests import BASE
from zoo.errors import BadInput, NotAllowed, UnknownName
from zoo.hub import RepoRef, is_full_sha, parse_ref

_MOST_REVISION = 256
_MOST_COMMITS = 64
_ALIAS = re.compile(r"\w[\w.-]{0,95}", re.ASCII)


class Names:
    """The aliases of one server, and glob patterns, such as `local/*`, of repos that need none."""

    def __init__(self, aliases: Mapping[str, RepoRef] | None = None, *, allow: Sequence[str] = ()) -> None:
        self._aliases = dict(aliases or {})
        self._allow = tuple(allow)
        self._lock = threading.RLock()
        self._commits: dict[RepoRef, list[str]] = {}
        """The commits that what an alias stands for was, the newest last; at most `_MOST_COMMITS`."""

    @property
    def allow(self) -> tuple[str, ...]:
        """The patterns."""
        return self._allow

    @property
    def aliases(self) -> Mapping[str, RepoRef]:
        """What each alias stands for now, as it was written."""
        with self._lock:
            return dict(self._aliases)

    def ref(self, asked: str) -> RepoRef:
        """What a name stands for, where it may be asked for: an alias; anything in a repo that a pattern
        allows but `refs/`, where a Hub keeps what strangers propose; and of an alias's repo the revision and
        the commits that the alias stands for or stood for.

        Raises:
            UnknownName: it is no alias and has not the form of a repo.
            BadInput: it has a slash and names no repo or no revision.
            NotAllowed: a repo that has no alias and that no pattern allows, or another revision of one.
        """
        aliases = self.aliases
        if asked in aliases:
            return aliases[asked]
        if "/" not in asked:
            raise UnknownName("adapter", asked, (BASE, *aliases))
        ref = parse_ref(asked)
        if len(ref.revision) > _MOST_REVISION or ref.revision.startswith("refs/"):
            raise BadInput(
                f"{ref.revision[:80]!r} is no revision that can be asked for here",
                hint="name a branch, a tag or a commit",
            )
        if any(fnmatchcase(ref.repo, pattern) for pattern in self._allow) or self._has_stood_for(ref):
            return ref
        hint = f"its operator can allow it: --allow {ref.repo}, or MEDZOO_ALLOW"
        names = [alias for alias, one in aliases.items() if one.repo == ref.repo]
        if names:
            raise NotAllowed(
                f"{ref} is not what an adapter of this server stands for",
                hint=f"ask for {names[0]!r}; for other revisions {hint}",
            )
        raise NotAllowed(f"{ref.repo} is not among the adapters of this server", hint=hint)

    def _has_stood_for(self, ref: RepoRef) -> bool:
        with self._lock:
            return ref in self._aliases.values() or (
                is_full_sha(ref.revision)
                and any(one.repo == ref.repo and ref.revision in shas for one, shas in self._commits.items())
            )

    def stands_for(self, ref: RepoRef, sha: str) -> str | None:
        """Note the commit that a ref is now, if an alias has it. Gives what it was before, if another."""
        with self._lock:
            if ref not in self._aliases.values():
                return None
            shas = self._commits.setdefault(ref, [])
            before = shas[-1] if shas and shas[-1] != sha else None
            self._commits[ref] = [*(one for one in shas if one != sha), sha][-_MOST_COMMITS:]
            return before

    def stood_for(self, alias: str, repo: str, sha: str) -> None:
        """Note a commit that an alias was before this server began, as what it kept says; not of an alias
        that is of another repo by now."""
        with self._lock:
            ref = self._aliases.get(alias)
            shas = self._commits.get(ref, []) if ref else []
            if ref and ref.repo == repo and sha not in shas:
                self._commits[ref] = [sha, *shas][-_MOST_COMMITS:]

    def check(self, alias: str, *, replace: bool = False) -> None:
        """Raise BadInput if no adapter can be given this name: it has not the form of one, is the base's, or
        stands for an adapter that is not to be replaced."""
        if not _ALIAS.fullmatch(alias):
            raise BadInput(
                f"{alias[:80]!r} is no name for an adapter",
                hint="letters, digits, dots, dashes and underscores, such as mdpo-v2",
                param="lora_name",
            )
        if alias == BASE:
            raise BadInput(f"{BASE!r} is the name of the base itself", hint="take another", param="lora_name")
        if alias in self.aliases and not replace:
            raise BadInput(
                f"the adapter {alias!r} is loaded already",
                hint="set load_inplace to true to replace it",
                param="lora_name",
            )

    def name(self, alias: str, ref: RepoRef, *, replace: bool = False) -> None:
        """Let an alias stand for `ref` from now on; see `check` for what it raises."""
        with self._lock:
            self.check(alias, replace=replace)
            self._aliases[alias] = ref
            self._forget_commits()

    def become(self, aliases: Mapping[str, RepoRef]) -> None:
        """Have these names and no others from now on."""
        with self._lock:
            self._aliases = dict(aliases)
            self._forget_commits()

    def latest(self, ref: RepoRef) -> str | None:
        """The commit that a revision stands for at other servers; None: there are none, or unknown."""
        return None

    def forget(self, alias: str) -> RepoRef:
        """Take an alias away; what it stood for.

        Raises:
            UnknownName: there is none of that name.
        """
        with self._lock:
            if alias not in self._aliases:
                raise UnknownName("adapter", alias, self._aliases)
            ref = self._aliases.pop(alias)
            self._forget_commits()
            return ref

    def withdraw(self, alias: str) -> None:
        """Take a name away that this server was given at its start and cannot load."""
        self.forget(alias)

    def publish(self) -> None:
        """Let other servers, where there are any, have the names that this one was given and has loaded."""

    def _forget_commits(self) -> None:
        """Keep those alone of what an alias still stands for."""
        refs = set(self._aliases.values())
        self._commits = {ref: shas for ref, shas in self._commits.items() if ref in refs}


def name_adapters(found: Sequence[tuple[str, RepoRef]]) -> dict[str, RepoRef]:
    """Aliases for (variant, where it is) pairs: a variant's name if only one bears it, else `repo@revision`.

    Raises:
        BadInput: the same adapter is given twice, or a variant bears the base's name.
    """
    refs = [ref for _, ref in found]
    twice = [ref for ref in refs if refs.count(ref) > 1]
    if twice:
        raise BadInput(f"the adapter {twice[0]} is given twice")
    names = [name for name, _ in found]
    if BASE in names:
        raise BadInput(f"a variant is named {BASE!r}, which is the name of the base itself")
    return {name if names.count(name) == 1 else str(ref): ref for name, ref in found}
