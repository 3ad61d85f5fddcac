"""What a variant is: two sentences for people, and its objective as formulas. Pure; all words are escaped.

It knows the terms of the preference grid by name, as `model_cards.words` does; of a term that it does not
know the data is shown, and no formula.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from model_cards import words
from zoo.manifest import AdapterManifest

Term = dict[str, Any]

NOTATION = (
    "In the formulas <var>π</var> is the model in training, <var>π</var><sub>ref</sub> the reference, "
    "<var>y</var> a response to image <var>m</var> and question <var>x</var>, + chosen, − rejected, "
    "<var>σ</var> the logistic function, S the words that count; <var>L</var> is made small, a mean over the "
    "pairs. <var>r</var>(<var>y</var>, <var>m</var>) = log <var>π</var>(<var>y</var> | <var>m</var>) − log "
    "<var>π</var><sub>ref</sub>(<var>y</var> | <var>m</var>)."
)
_PREFER = {
    ("chosen", "rejected_response"): "hold the chosen answer likelier than the rejected one",
    (
        "chosen",
        "rejected_image",
    ): "hold the chosen answer likelier with its own image than with the rejected one",
    (
        "chosen",
        "rejected_both",
    ): "hold the chosen answer with its image likelier than the rejected answer with the rejected image",
    (
        "rejected_both",
        "rejected_image",
    ): "hold the rejected answer likelier than the chosen one where the image is the rejected one",
}
_CLAUSES = {
    ("Imitate", "chosen"): "give the chosen answer word for word",
    ("Imitate", "question"): "ask the question itself",
    ("Anchor", "chosen"): "keep the chosen answer at least as likely as the reference has it",
    ("TokenKL", "chosen"): "stay near the reference's choice of words",
    ("PreferOverArgmax", "chosen"): "hold the chosen answer likelier than what it would itself say of the "
    "rejected image",
    ("Reinforce", "chosen"): "say more of what earned a reward and less of what cost one",
}
_Y, _YL = "<var>y</var><sup>+</sup>", "<var>y</var><sup>−</sup>"
_M, _ML = "<var>m</var><sup>+</sup>", "<var>m</var><sup>−</sup>"
_BRANCHES = {
    "chosen": (_Y, _M),
    "rejected_response": (_YL, _M),
    "rejected_image": (_Y, _ML),
    "rejected_both": (_YL, _ML),
    "question": ("<var>x</var>", _M),
}


def explained(manifests: Sequence[AdapterManifest]) -> str:
    """Two sentences on the variant of some adapters, which have one objective: what it is trained to do, and
    on what."""
    variant = manifests[0].variant
    clauses = list(dict.fromkeys(_clause(term) for term in variant.objective))
    done = _joined([f"to {one}" for one in clauses]) or "by an objective that its manifest does not name"
    first = f"{variant.title or variant.name} trains the model {done}."
    data = _joined(sorted({f"{m.data.dataset}/{m.data.split}" for m in manifests}))
    makers = _joined(sorted({one for m in manifests for one in m.data.made_by}))
    counts = sorted({m.data.pairs for m in manifests})
    pairs = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    who = "The adapter here learned" if len(manifests) == 1 else f"The {len(manifests)} adapters here learned"
    second = f"{who} from {pairs} pairs of {data}" + (f", made by {makers}" if makers else "")
    if any(term.get("term") in words.REFERENCED for term in variant.objective):
        against = sorted({_reference(m.training.reference) for m in manifests})
        verb = "is" if len(manifests) == 1 else "are"
        second += f", and {verb} measured against {_joined(against)}"
    return escape(f"{first} {second}.")


def terms_html(objective: Sequence[Term]) -> str:
    """The objective as a list: each summand's formula, where it is known, and the same in words."""
    items = "".join(
        f'<li>{_formula(term, first=not number)}<span class="mz-term">{escape(words.term(term))}</span></li>'
        for number, term in enumerate(objective)
    )
    return f'<ul class="mz-terms">{items}</ul>'


def _reference(reference: str) -> str:
    return "the base" if reference == "base" else reference


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _clause(term: Term) -> str:
    name = str(term.get("term"))
    if name == "Prefer":
        said = _PREFER.get((str(term.get("preferred")), str(term.get("over"))))
    else:
        said = _CLAUSES.get((name, str(term.get("branch", term.get("preferred")))))
    if said is None:
        return f"follow {name}, a term that is not known here"
    said += " at the words that count" if term.get("where") == "spans" else ""
    return said + (", each pair by its weight" if term.get("weights") else "")


def _formula(term: Term, *, first: bool) -> str:
    """The term as a summand, its sign in front; empty where it or a branch of it is not known here."""
    try:
        said = _FORMULAS[str(term.get("term"))](term)
    except KeyError:
        return ""
    body = said.removeprefix("−")
    sign = "− " if body != said else "" if first else "+ "
    return f'<span class="mz-formula">{"<var>L</var> = " if first else ""}{sign}{_weight(term)}{body}</span>'


def _weight(term: Term) -> str:
    weight = term.get("weight", 1.0)
    pair = "<var>w</var> " if term.get("weights") else ""
    return ("" if weight == 1.0 else f"{escape(str(weight))} · ") + pair


def _branch(term: Term, key: str) -> tuple[str, str]:
    return _BRANCHES[str(term[key])]


def _ratio(term: Term, key: str) -> str:
    y, m = _branch(term, key)
    where = "<sub>S</sub>" if term.get("where") == "spans" else ""
    return f"<var>r</var>{where}({y}, {m})"


def _number(term: Term, key: str) -> str:
    return escape(str(term[key]))


def _imitate(term: Term) -> str:
    y, m = _branch(term, "branch")
    return f"−(1/|{y}|) log <var>π</var>({y} | {m})"


def _prefer(term: Term) -> str:
    return (
        f"−log <var>σ</var>({_number(term, 'beta')} [{_ratio(term, 'preferred')} − {_ratio(term, 'over')}])"
    )


def _anchor(term: Term) -> str:
    delta = f" − {_number(term, 'delta')}" if term.get("delta") else ""
    return f"−log <var>σ</var>({_number(term, 'beta')} {_ratio(term, 'branch')}{delta})"


def _kl(term: Term) -> str:
    y, m = _branch(term, "branch")
    policy, reference = "<var>π</var>", "<var>π</var><sub>ref</sub>"
    parts = [
        f"{'' if number == 1.0 else f'{escape(str(number))} '}KL({first} ‖ {second})"
        for number, first, second in (
            (term["forward"], reference, policy),
            (term["reverse"], policy, reference),
        )
        if number
    ]
    at = f"<var>t</var> ∈ S({y})" if term.get("where") == "spans" else f"<var>t</var> ∈ {y}"
    return f"Σ<sub>{at}</sub> [{' + '.join(parts)}] at {m}"


def _over_argmax(term: Term) -> str:
    y, m = _branch(term, "preferred")
    _, noised = _branch(term, "noised")
    ratios = f"[<var>r</var>({y}, {m}) − <var>r</var>(<var>z</var>, {m})]"
    return (
        f"−log <var>σ</var>({_number(term, 'beta')} {ratios}), "
        f"<var>z</var><sub>t</sub> = argmax <var>π</var>(· | {noised}, {y}<sub>&lt;t</sub>)"
    )


def _reinforce(term: Term) -> str:
    y, m = _branch(term, "branch")
    return (
        f"−(1/|{y}|) Σ<sub>t</sub> <var>c</var><sub>t</sub> log <var>π</var>({y}<sub>t</sub> | {m}), "
        "<var>c</var><sub>t</sub> the reward of token <var>t</var>"
    )


_FORMULAS: dict[str, Callable[[Term], str]] = {
    "Imitate": _imitate,
    "Prefer": _prefer,
    "Anchor": _anchor,
    "TokenKL": _kl,
    "PreferOverArgmax": _over_argmax,
    "Reinforce": _reinforce,
}
