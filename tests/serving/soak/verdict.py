"""Whether an answer is what the adapter says that it names, and no other. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.serving.soak.shelf import Commit, heads_between

BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One answer as a client got it, whole or broken off."""

    asked: str
    """The adapter as the client wrote it: `base`, or a repo it stands for with or without a commit."""
    repo: str
    sha: str
    digest: str
    text: str
    tokens: int | None
    """None if the answer was broken off."""
    most: int
    """Tokens that were asked for."""
    question: tuple[int, str]
    """The scan's seed and the prompt."""
    headers: tuple[str, str] | None
    """`repo@sha` and the digest as the reply's headers say them for this row."""
    hub_unreachable: bool
    began: float
    ended: float


def faults_of(
    heard: Heard,
    shelf: Mapping[str, Sequence[Commit]],
    base_says: Mapping[tuple[int, str], str],
    *,
    resolved_for_s: float,
) -> list[str]:
    """What is wrong with an answer; nothing if it is right. A name may stand for what it stood for up to
    `resolved_for_s` before the request."""
    if heard.headers is not None and heard.headers != (f"{heard.repo}@{heard.sha}", heard.digest):
        return [f"its headers say {heard.headers}, its body {heard.repo}@{heard.sha} {heard.digest}"]
    if heard.asked == BASE:
        return _faults_of_base(heard, base_says)
    repo, _, revision = heard.asked.partition("@")
    if heard.repo != repo or (revision and heard.sha != revision):
        return [f"{heard.asked} was asked and {heard.repo}@{heard.sha} answered"]
    commit = next((one for one in shelf[repo] if one.sha == heard.sha), None)
    if commit is None:
        return [f"{heard.repo} has no commit {heard.sha}"]
    found = []
    if heard.digest != commit.fingerprint.digest:
        found.append(f"{repo}@{heard.sha} has the digest {commit.fingerprint.digest}, not {heard.digest}")
    whole = commit.fingerprint.says(heard.most)
    if heard.text != whole if heard.tokens is not None else not whole.startswith(heard.text):
        found.append(f"{repo}@{heard.sha} can only say {whole!r}, and it said {heard.text!r}")
    if heard.tokens not in (None, heard.most):
        found.append(f"{heard.tokens} tokens are stated for {heard.most}")
    if not (revision or heard.hub_unreachable):
        heads = heads_between(shelf[repo], heard.began - resolved_for_s, heard.ended)
        if commit not in heads:
            found.append(f"{repo} was not at {heard.sha} when it was asked, but at {[h.sha for h in heads]}")
    return found


def _faults_of_base(heard: Heard, base_says: Mapping[tuple[int, str], str]) -> list[str]:
    if heard.digest:
        return [f"the base has no digest, and {heard.digest} is stated"]
    whole = base_says[heard.question]
    if not whole.startswith(heard.text) or (heard.tokens is not None and not heard.text):
        return [f"the base says {whole!r} to {heard.question}, and it said {heard.text!r}"]
    return []
