"""Whether a card can be trusted: what it claims, against what lies beside it. For any repo, ours or not.

Nothing is run and no score is made again here: that is `model_cards.verify`'s. What cannot be looked at, for
want of a `zoo.json` or of a declared base, is said to be unknown and never taken as right.
"""

from collections.abc import Callable

from model_cards.checks import Check
from model_cards.checks.files import answers, config, manifest, weights
from model_cards.checks.origin import base, licence, terms
from model_cards.checks.text import card, evidence, notice
from model_cards.repo import Repo

LOOKS: tuple[Callable[[Repo], Check], ...] = (
    manifest,
    weights,
    config,
    base,
    licence,
    terms,
    notice,
    card,
    evidence,
)
"""All checks but that of the stored answers, which scoring them again includes."""


def check(repo: Repo) -> list[Check]:
    """Every check of a card, in the order in which people read them."""
    return [*(look(repo) for look in LOOKS), answers(repo)]
