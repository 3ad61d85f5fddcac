"""Answers, waiting and faults as HTML. Pure; every word that comes from a model or a user is escaped."""

import re
from collections.abc import Sequence
from html import escape

from serving.core.requests import BASE, Answer, Answering, Comparison
from serving.service import Listing
from serving.ui.marks import marked
from zoo.errors import ZooError
from zoo.manifest import Evaluation

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31")
"""Told apart by colour-blind people too (Okabe and Ito 2008, and two more); a letter goes with each."""
BASE_COLOUR = "#5B6472"
SHORT = 8
"""Hex digits shown of a commit and a digest; the whole one is in the title and under `Provenance`."""
About = Sequence[tuple[str, str]]
"""The pictures that were asked about: which view of which, as the page's script reads it, and in words."""
_BUSY = 'aria-busy="true"'
_STALE = (
    '<p class="mz-stale" role="status" hidden>These answers are not about what is in view now. '
    "Ask again for answers about that.</p>"
)
_ACTS = (
    '<p class="mz-acts"><button type="button" data-act="look" aria-pressed="false">Where it looked</button>'
    '<button type="button" data-act="copy">Copy</button></p>'
)


def comparison_html(
    comparison: Comparison,
    listings: dict[str, Listing],
    about: About = (),
    *,
    reference: str = "",
    asked: str = "",
    how: str = "",
) -> str:
    """All answers side by side; `listings` by alias give titles and scores where they are known. `asked` is
    the key by which the page's script asks where an answer looked, `how` says how the answers were drawn."""
    answers = comparison.answers
    base = next((one for one in answers if _is_base(one)), None)
    cards = ""
    for number, one in enumerate(answers):
        against = {
            "base": [base.text] if base and one is not base else [],
            "reference": [reference] if reference else [],
            "others": [other.text for other in answers if other is not one],
        }
        cards += _card(number, one, base, listings.get(one.asked), {k: v for k, v in against.items() if v})
    count = len({one.text for one in answers})
    said = "all say the same" if count == 1 else f"{count} different answers"
    if len(answers) == 1:
        said = "one answer"
    return _result(
        comparison.question,
        " · ".join(part for part in (said, _time(comparison.milliseconds), how) if part),
        cards,
        about,
        count=len(answers),
        reference=reference,
        more=f'data-asked="{escape(asked)}"',
    )


def waiting_html(question: str, names: list[str], about: About = ()) -> str:
    """Empty cards in place of the answers to come."""
    cards = "".join(
        f'<article class="mz-card" style="--mz:{_colour(number, base=name == BASE)}" data-row="{number}">'
        f"{_head(number, name, '')}"
        f'<div class="mz-bones"><i></i><i></i></div></article>'
        for number, name in enumerate(names)
    )
    return _result(question, f"asking {len(names)} at once", cards, about, count=len(names), more=_BUSY)


def live_html(question: str, answering: Sequence[Answering], texts: Sequence[str], about: About = ()) -> str:
    """What each has said so far, with who is saying it."""
    cards = "".join(
        f'<article class="mz-card" style="--mz:{_colour(number, base=_is_base(who))}" data-row="{number}">'
        f'{_head(number, who.asked, _variant(who))}<p class="mz-live">{escape(text)}</p>'
        f"<footer>{_where(who)}</footer></article>"
        for number, (who, text) in enumerate(zip(answering, texts, strict=True))
    )
    return _result(question, "answering", cards, about, count=len(answering), more=_BUSY)


def empty_html() -> str:
    """What stands in place of answers before the first question."""
    return (
        '<section class="mz-empty"><div class="mz-ghosts"><i></i><i></i><i></i></div>'
        "<p>The answers will stand here side by side, each with the commit and the weights that gave it.</p>"
        "<p>Choose an image and ask, or click an example.</p></section>"
    )


def fault_html(error: ZooError) -> str:
    """What was wrong and what to do next."""
    hint = f"<p>{escape(sentence(error.hint))}</p>" if error.hint else ""
    return (
        f'<section class="mz-fault" role="alert"><h3>{escape(sentence(error.message))}</h3>{hint}</section>'
    )


def sentence(words: str) -> str:
    """Words of a program as a sentence; a file, a command or a number that stands first stays as it is."""
    begun = words[:1].upper() + words[1:] if re.match(r"(?!medzoo )[a-z]+[ ,:]", words) else words
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def choice_label(listing: Listing) -> str:
    """An adapter in the list of choices: name and score, or why it cannot be asked."""
    if listing.adapter is None:
        return f"{listing.alias}\ncannot be asked"
    score = listing.accuracy
    said = _percent(score).replace(" (", "\n(") if score else "not evaluated"  # an interval stays in one line
    return f"{listing.alias}\n{said}"


def _result(
    question: str, said: str, cards: str, about: About, *, count: int, reference: str = "", more: str
) -> str:
    seen = "".join(
        f'<li data-view="{escape(view)}" data-words="{escape(words)}">{escape(words)}</li>'
        for view, words in about
    )
    pictures = f'<ul class="mz-pictures" aria-label="Asked about">{seen}</ul>{_STALE}' if seen else ""
    given = f'<p class="mz-reference"><b>Reference</b> {escape(reference)}</p>' if reference else ""
    return (
        f'<section class="mz-result" {more}><header><h2 class="mz-asked">{escape(question)}</h2>'
        f'<p class="mz-said">{escape(said)}</p></header>{pictures}{given}'
        f'<div class="mz-grid" data-count="{count}">{cards}</div></section>'
    )


def _card(
    number: int,
    answer: Answer,
    base: Answer | None,
    listing: Listing | None,
    against: dict[str, list[str]],
) -> str:
    chips = []
    if "base" in against and base is not None:
        same = answer.text == base.text
        chips.append(_chip("same as base" if same else "differs from base", "" if same else "mz-differs"))
    if listing and (score := listing.accuracy):
        about = f"{score.metric} on {score.dataset} {score.split}, {score.n} questions, 95 % interval"
        chips.append(_chip(f"accuracy {_percent(score)}", title=about))
    if answer.finish == "length":
        about = f"It had not ended after {_tokens(answer.tokens)}"
        if answer.left_off:
            about += "; a sentence that it did not finish is left off"
        chips.append(_chip("cut short", "mz-differs", about))
    if answer.hub_unreachable:
        chips.append(
            _chip("Hub out of reach: last known commit", "mz-differs", "The name could not be asked anew")
        )
    title = listing.title if listing else ("without any adapter" if _is_base(answer) else _variant(answer))
    text = marked(answer.text, against) or '<span class="mz-none">(no words)</span>'
    return (
        f'<article class="mz-card" style="--mz:{_colour(number, base=_is_base(answer))}" data-row="{number}">'
        f"{_head(number, answer.asked, title)}"
        f'<p class="mz-text">{text}</p><div class="mz-heat" hidden></div>'
        f'<p class="mz-chips">{"".join(chips)}</p>'
        f"{_ACTS}{_provenance(answer)}</article>"
    )


def _is_base(who: Answering) -> bool:
    """By what answers, which is no adapter, and not by a name."""
    return not who.adapter.digest


def _variant(who: Answering) -> str:
    """The variant, where the name that was asked for is another."""
    return "" if who.asked == who.variant else who.variant


def _head(number: int, name: str, title: str) -> str:
    sub = f"<small>{escape(title)}</small>" if title else ""
    return f'<header><b class="mz-letter">{_letter(number)}</b><h3>{escape(name)}{sub}</h3></header>'


def _provenance(answer: Answer) -> str:
    adapter = answer.adapter
    digest = adapter.digest or "none: the base has no adapter weights"
    short = f"weights {adapter.digest[:SHORT]}" if adapter.digest else "base weights"
    return (
        f"<footer>{_where(answer)}"
        f'<p class="mz-facts"><span title="sha256 {escape(digest)}">{short}</span>'
        f'<span title="{escape(_pace(answer))}">{_time(answer.milliseconds)}</span>'
        f"<span>{_tokens(answer.tokens)}</span></p>"
        f"<details><summary>Provenance</summary><dl><dt>adapter</dt><dd>{escape(str(adapter))}</dd>"
        f"<dt>sha256</dt><dd>{escape(digest)}</dd><dt>base</dt><dd>{escape(answer.base)}</dd>"
        f"<dt>asked as</dt><dd>{escape(answer.asked)}</dd>"
        f"<dt>seed</dt><dd>{answer.seed}</dd><dt>load</dt><dd>{answer.load}</dd>"
        f"<dt>pace</dt><dd>{escape(_pace(answer))}</dd></dl></details></footer>"
    )


def _where(who: Answering) -> str:
    adapter = who.adapter
    return (
        f'<p class="mz-where" title="{escape(str(adapter))}">{escape(adapter.repo)}'
        f"<span>@{escape(adapter.sha[:SHORT])}</span></p>"
    )


def _pace(answer: Answer) -> str:
    """Time to the first token, and from then on tokens a second."""
    first, after = answer.first_token_ms, answer.milliseconds - answer.first_token_ms
    begun = f"first token after {_time(first)}"
    return f"{begun}, then {(answer.tokens - 1) * 1000 / after:.0f} tokens/s" if after > 0 else begun


def _chip(text: str, kind: str = "", title: str = "") -> str:
    return f'<span class="mz-chip {kind}" title="{escape(title)}">{escape(text)}</span>'


def _percent(score: Evaluation) -> str:
    return f"{score.value * 100:.1f} % ({score.low * 100:.1f}–{score.high * 100:.1f})"


def _colour(number: int, *, base: bool) -> str:
    return BASE_COLOUR if base else COLOURS[number % len(COLOURS)]


def _letter(number: int) -> str:
    return chr(ord("A") + number % 26)


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _tokens(count: int) -> str:
    return f"{count} token" if count == 1 else f"{count} tokens"
