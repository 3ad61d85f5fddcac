"""What may be done with what comes out of a list: what its data sets and bases allow, none of it widened."""

from collections.abc import Iterable
from dataclasses import dataclass

from zoo.bases import bases
from zoo.datasets import datasets
from zoo.errors import BadInput
from zoo.licences import is_wider, narrowest, redistributable

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The licence of a list's questions, pictures and answers, and what follows from it."""

    license: str
    publishable: bool
    restricted: bool
    """Whether they must not reach a third party."""


def terms_of(data: Iterable[str], on: Iterable[str], *, claimed: str = "") -> Terms:
    """The terms of questions of these data sets, answered by these bases (`name@revision`).

    `claimed` is the operator's own licence for what the zoo does not know; without it that is unknown, not
    publishable and restricted. What the zoo knows keeps its own terms.

    Raises:
        BadInput: `claimed` is wider than what is known allows.
    """
    named, models = set(data), {one.partition("@")[0] for one in on}
    sets = [dataset for name, dataset in datasets().items() if name in named]
    known = [*(one.license for one in sets), *(b.license for name, b in bases().items() if name in models)]
    is_known = named <= set(datasets()) and models <= set(bases())
    if claimed and is_wider(claimed, *known):
        raise BadInput(
            f"the licence {claimed!r} is wider than {narrowest(*known)}, which questions and answers have",
            hint="state one that is not",
        )
    license = claimed or narrowest(*known, *(() if is_known else (UNKNOWN,)))
    is_ours = is_known or bool(claimed)
    return Terms(
        license=license,
        publishable=is_ours and redistributable(license) and all(one.publishable for one in sets),
        restricted=not is_ours or any(one.restricted for one in sets),
    )
