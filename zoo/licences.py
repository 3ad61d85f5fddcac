"""What licences ask and forbid, as data, and what follows where several hold at once.

A licence is the set of its limits: one is wider than another if it lacks a limit that the other has. It gives
no legal advice: the licence's own text holds. A licence that is not listed here has one limit, itself, so
nothing else is ever taken to be as narrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NOTICE, CHANGES, ENDORSEMENT, CREDIT = "keep notices", "state changes", "no endorsement", "credit"
NO_COMMERCE = "no commercial use"
NO_CLINIC = "no clinical use"
NO_DERIVATIVES = "nothing changed is passed on"
PRIVATE = "nothing is passed on"
AND = " and "
"""Between licences that all hold at once."""


@dataclass(frozen=True, kw_only=True)
class Licence:
    """A licence's limits, and what it allows and forbids in a sentence."""

    limits: frozenset[str]
    about: str
    on_hub: bool = True
    """Whether its name is one of the Hub's identifiers."""
    link: str = ""
    """Address of its text, for terms that must go along with what is made of a work."""
    title: str = ""
    """As that text names itself, by which a copy of it can be told from another."""
    notice: str = ""
    """The sentence that a file `NOTICE` beside it must hold; empty if none is asked for."""
    passed_on: tuple[str, ...] = ()
    """What whoever receives it is bound to, in sentences for a card."""


def _licence(
    about: str,
    *limits: str,
    on_hub: bool = True,
    link: str = "",
    title: str = "",
    notice: str = "",
    passed_on: tuple[str, ...] = (),
) -> Licence:
    return Licence(
        limits=frozenset(limits),
        about=about,
        on_hub=on_hub,
        link=link,
        title=title,
        notice=notice,
        passed_on=passed_on,
    )


def _same(name: str) -> str:
    """The limit of terms that must go with whatever derives from the work."""
    return f"the terms of {name}"


_USE_POLICY = "Forbids what its acceptable-use policy lists, and passing on without its terms."
_LLAMA = ("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4")
_HEALTH_AI = "health-ai-developer-foundations"
_HEALTH_AI_TITLE = "Health AI Developer Foundations Terms of Use"
_HEALTH_AI_SITE = f"https://developers.google.com/{_HEALTH_AI}"

LICENCES: Mapping[str, Licence] = {
    "cc0-1.0": _licence("Use, change and pass on, without conditions."),
    "mit": _licence("Use, change and pass on, also commercially, with the licence kept.", NOTICE),
    "bsd-3-clause": _licence(
        "Use, change and pass on, also commercially, with the licence kept.", NOTICE, ENDORSEMENT
    ),
    "apache-2.0": _licence(
        "Use, change and pass on, also commercially, with the licence and its notices kept.", NOTICE, CHANGES
    ),
    "cc-by-4.0": _licence("Use, change and pass on, also commercially, with credit given.", CREDIT, CHANGES),
    "cc-by-sa-4.0": _licence(
        "Use, change and pass on, also commercially, with credit and under the same licence.",
        *(CREDIT, CHANGES, _same("cc-by-sa-4.0")),
    ),
    "cc-by-nc-4.0": _licence(
        "Forbids commercial use; otherwise use, change and pass on with credit given.",
        *(CREDIT, CHANGES, NO_COMMERCE),
    ),
    "cc-by-nc-sa-4.0": _licence(
        "Forbids commercial use; pass on with credit given and under the same licence.",
        *(CREDIT, CHANGES, NO_COMMERCE, _same("cc-by-nc-sa-4.0")),
    ),
    "cc-by-nd-4.0": _licence(
        "Forbids passing on anything changed; otherwise pass on with credit given.",
        *(CREDIT, CHANGES, NO_DERIVATIVES),
    ),
    "cc-by-nc-nd-4.0": _licence(
        "Forbids commercial use and forbids passing on anything changed.",
        *(CREDIT, CHANGES, NO_COMMERCE, NO_DERIVATIVES),
    ),
    **{name: _licence(_USE_POLICY, _same(name)) for name in _LLAMA},
    "gemma": _licence(
        "Forbids the uses that the Gemma prohibited-use policy lists, and passing on without its terms.",
        _same("gemma"),
    ),
    _HEALTH_AI: _licence(
        "Google's Health AI Developer Foundations terms: forbids the uses that they list, clinical use "
        "without the approval that it needs, and passing on without these terms.",
        *(_same(_HEALTH_AI), NO_CLINIC),
        on_hub=False,
        link=f"{_HEALTH_AI_SITE}/terms",
        title=_HEALTH_AI_TITLE,
        notice=f"HAI-DEF is provided under and subject to the {_HEALTH_AI_TITLE} found at "
        f"{_HEALTH_AI_SITE}/terms",
        passed_on=(
            "You may not use it, or what you make of it, for anything that the [prohibited-use "
            f"policy]({_HEALTH_AI_SITE}/prohibited-use-policy) lists, in a way that could make Google the "
            "manufacturer of a medical device, or unlawfully (section 3.2).",
            "Use in diagnosis or treatment, studies with patients among it, needs the authorisation that the "
            "law of the place asks for (section 3.1).",
            "If you pass it on, or let others ask it over a network, bind them to these restrictions and "
            "tell them so, give them a copy of the terms, say what you changed, and keep the file `NOTICE` "
            "(section 3.1).",
        ),
    ),
    "llava-med-terms": _licence(
        "LLaVA-Med's own terms: research only; forbids clinical use and passing on the model or what is "
        "made of its weights. Where the Hub's card says otherwise, the stricter holds.",
        *(NO_COMMERCE, NO_CLINIC, NO_DERIVATIVES, PRIVATE),
        on_hub=False,
    ),
    "physionet-credentialed": _licence(
        "PhysioNet's credentialed data use agreement: for those who signed it alone; forbids passing on the "
        "data, sending it to third parties and trying to find out who a patient is.",
        *(NO_DERIVATIVES, PRIVATE, _same("physionet-credentialed")),
        on_hub=False,
    ),
    "proprietary": _licence(
        "All rights are its owner's: only what your contract allows, and nothing is passed on.",
        *(NO_COMMERCE, NO_DERIVATIVES, PRIVATE, _same("proprietary")),
        on_hub=False,
    ),
    "unclear": _licence(
        "Nobody has said under what terms the pictures may be used; they are not passed on.",
        *(PRIVATE, _same("unclear")),
        on_hub=False,
    ),
    "unknown": _licence(
        "The terms are not known here, so nothing is passed on.", PRIVATE, _same("unknown"), on_hub=False
    ),
}
"""By the Hub's identifiers, and by names of the zoo's own where the Hub has none."""


def parts(licence: str) -> list[str]:
    """The licences of `A and B`, each by its name here where it has one."""
    each = (one.strip() for one in licence.split(AND))
    return [one.lower() if one.lower() in LICENCES else one for one in each if one]


def limits(licence: str) -> frozenset[str]:
    """All limits of a licence, or of several joined by `and`."""
    found: frozenset[str] = frozenset()
    for one in parts(licence):
        found |= LICENCES[one].limits if one in LICENCES else {_same(one)}
    return found


def narrowest(*licences: str) -> str:
    """The licence of what was made of works under all of these: never wider than any of them.

    One that asks nothing that another does not ask is left out; those that cannot be compared are joined by
    `and`. Empty if none is given.
    """
    every = list(dict.fromkeys(one for licence in licences for one in parts(licence)))

    def is_covered(place: int) -> bool:
        mine = limits(every[place])
        return any(
            mine < limits(other) or (mine == limits(other) and at < place)
            for at, other in enumerate(every)
            if at != place
        )

    return AND.join(one for place, one in enumerate(every) if not is_covered(place))


def is_wider(claimed: str, *bounds: str) -> bool:
    """Whether `claimed` lacks a limit that one of `bounds` has; an empty claim lacks them all."""
    return not parts(claimed) or any(not limits(bound) <= limits(claimed) for bound in bounds)


def obliging(licence: str) -> list[Licence]:
    """Those of its licences whose text must go along with what is made of a work."""
    return [LICENCES[one] for one in parts(licence) if one in LICENCES and LICENCES[one].link]


def why_kept(licence: str) -> str:
    """What forbids passing it on, in sentences; empty if nothing does."""
    return " ".join(
        LICENCES[one].about if one in LICENCES else f"The terms of {one} are not known here."
        for one in parts(licence)
        if not redistributable(one)
    )


def redistributable(licence: str) -> bool:
    """Whether questions, answers and what is made of them may be passed on, under that same licence.

    Of a licence that is not listed here nothing is known, so no.
    """
    known = all(one in LICENCES for one in parts(licence)) and bool(parts(licence))
    return known and not limits(licence) & {NO_DERIVATIVES, PRIVATE}
