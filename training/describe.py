"""A variant in words and as data: what `medzoo variants` prints and documents quote."""

from typing import Any

from training.objective import Objective, as_data, missing_halves, needs, needs_reference
from training.pairs.build import steps_as_data
from training.settings import choices_of, settable
from training.variant import Variant
from training.variants import declarations


def formula(objective: Objective) -> str:
    """The objective in one line: terms with what they prefer over what."""
    return " + ".join(_term(data) for data in as_data(objective))


def needs_of(variant: Variant) -> str:
    """What the variant needs beside questions with true answers."""
    found = []
    if needs_reference(variant.objective):
        found.append("reference")
    if variant.needs_policy:
        found.append("the model's own answers")
    parts = {part for branch in missing_halves(variant.objective) for part in branch.parts}
    words = {"rejected": "rejected response", "rejected_images": "rejected image"}
    found += [words[part] for part in sorted(parts)]
    found += needs(variant.objective)
    return ", ".join(found) or "nothing"


def summary(variant: Variant) -> dict[str, Any]:
    """One row of the list of variants."""
    stages = [*(formula(s.objective) for s in variant.earlier), formula(variant.objective)]
    rounds = f" ({variant.rounds} rounds)" if variant.rounds > 1 else ""
    return {
        "name": variant.name,
        "title": variant.title,
        "objective": ", then ".join(stages) + rounds,
        "needs": needs_of(variant),
        "paper": variant.paper,
        "departures": list(variant.departures),
    }


def in_full(variant: Variant) -> dict[str, Any]:
    """Everything that a variant declares, and what of it can be set."""
    declared = declarations()[variant.name]
    choices = choices_of(declared)
    fields = {
        key: f"{value}" + (f"  (one of {', '.join(map(str, choices[key]))})" if key in choices else "")
        for key, value in settable(declared).items()
    }
    return {
        **summary(variant),
        "stages": [_stage(stage) for stage in (*variant.earlier, variant)],
        "rounds": variant.rounds,
        f"fields that --set can change{' in the last stage' if variant.earlier else ''}, as declared": fields,
        "set": dict(variant.settings),
    }


def _stage(stage: Variant) -> dict[str, Any]:
    return {
        "name": stage.name,
        "terms": as_data(stage.objective),
        "steps": steps_as_data(stage.steps),
        "numbers": vars(stage.numbers),
    }


def _term(data: dict[str, Any]) -> str:
    name = data["term"]
    weight = "" if data.get("weight", 1.0) == 1.0 else f"{data['weight']:g} "
    where = " on spans" if data.get("where") == "spans" else ""
    match name:
        case "Prefer":
            weights = f", weights {data['weights']}" if data["weights"] else ""
            return f"{weight}Prefer({data['preferred']} over {data['over']}{where}{weights})"
        case "PreferOverArgmax":
            return f"{weight}PreferOverArgmax({data['preferred']} over its argmax on {data['noised']})"
        case "TokenKL":
            sides = f"forward {data['forward']:g}, reverse {data['reverse']:g}"
            return f"{weight}TokenKL({data['branch']}{where}, {sides})"
        case _:
            return f"{weight}{name}({data['branch']})"
