"""The page `Compare`: pictures of a study, a question, a choice of adapters, and their answers side by side.

Layout and wiring alone; what happens is `comparing`'s, what is shown is `cards`' and the scripts'.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from serving.core.origin import NOBODY
from serving.core.requests import BASE
from serving.pictures import Pictures
from serving.service import Service
from serving.ui import cards
from serving.ui.comparing import Comparing, read_seed
from serving.ui.examples import Example
from serving.ui.style import asset, script
from serving.ui.views import MOST
from zoo.errors import ZooError

AT_ONCE = 16
"""Comparisons of the page that may wait for the engine at once; the engine batches them."""
_SUGGESTIONS = '<div class="mz-suggestions" role="group" aria-label="Suggested questions"></div>'


def build(page: gr.Blocks, service: Service, pictures: Pictures, *, rated: bool) -> None:
    """Fill the page of one service; whether cases of work lists are `rated` on another."""
    comparing = Comparing(service, pictures)

    def look(uri: str) -> dict[str, Any]:
        return comparing.look(uri)

    def show(view: str) -> dict[str, str]:
        return comparing.show(view)

    def heat(wanted: str) -> dict[str, Any]:
        return comparing.heat(wanted)

    def take_example(number: int) -> tuple[Any, str]:
        scan, question = comparing.example(number)
        return gr.HTML(value=json.dumps([{"key": scan["key"]}]), opened=json.dumps([scan])), question

    def compare(
        seen: str, question: str, reference: str, chosen: list[str], others: str, request: gr.Request
    ) -> Iterator[str]:
        yield from sample(seen, question, reference, chosen, others, "", request)

    def sample(
        seen: str,
        question: str,
        reference: str,
        chosen: list[str],
        others: str,
        seed: str,
        request: gr.Request,
    ) -> Iterator[str]:
        names = [*chosen, *(name.strip() for name in others.split(",") if name.strip())]
        client = getattr(request.state, "client", "") or f"page {request.session_hash}"
        try:
            drawn = read_seed(seed)
        except ZooError as error:
            yield cards.fault_html(error)
            return
        # Gradio answers in a task that it began long before this request.
        of = getattr(request.state, "origin", NOBODY)
        yield from comparing.compare(seen, question, reference, names, seed=drawn, client=client, of=of)

    def choices() -> Any:
        labels, first = comparing.choices()
        # A session that Gradio forgot begins with the component as built: that takes what was ever offered.
        known = {name: label for label, name in (*adapters.choices, *labels)}
        adapters.choices = [(label, name) for name, label in known.items()]
        return gr.CheckboxGroup(choices=labels, value=first)

    with gr.Row(elem_classes="mz-main"):
        with gr.Column(scale=4, min_width=300, elem_classes="mz-ask"):
            picker = gr.HTML(
                value="",
                html_template=asset("picker.html"),
                js_on_load=script("api.js", "viewer.js", "picker.js"),
                server_functions=[look, show],
                elem_id="mz-picker",
                opened="",
                limit=pictures.limits.max_bytes,
                asked_at_once=service.base.max_images,
                most=max(MOST, service.base.max_images),
            )
            question = gr.Textbox(
                value="",
                label="Question",
                placeholder="On which side is the nodule?",
                lines=2,
                max_lines=6,
                elem_id="mz-question",
            )
            gr.HTML(
                value="",
                html_template=_SUGGESTIONS,
                elem_id="mz-suggestions",
                padding=False,
            )
            ask = gr.Button("Compare", variant="primary", size="lg", elem_id="mz-compare")
            reference = gr.Textbox(
                value="",
                label="Reference answer (optional)",
                placeholder="What a radiologist said, to mark the answers against",
                lines=1,
                max_lines=6,
                elem_id="mz-reference",
            )
            adapters = gr.CheckboxGroup(
                choices=[(BASE, BASE)],
                value=[BASE],
                label="Adapters, with accuracy and its 95 % interval",
                elem_id="mz-adapters",
            )
            others = gr.Textbox(
                value="",
                label="Others on the Hub",
                placeholder="namespace/name@revision, ...",
                max_lines=1,
                elem_id="mz-others",
                visible=bool(service.allow),
            )
        with gr.Column(scale=9, min_width=400, elem_classes="mz-said-column"):
            strip = gr.HTML(
                value=-1,
                html_template=_strip(comparing.examples),
                js_on_load=script("strip.js"),
                elem_id="mz-examples",
                visible=bool(comparing.examples),
            )
            tools = gr.HTML(
                value="",
                html_template=asset("tools.html"),
                js_on_load=script("api.js", "heat.js", "seen.js", "tools.js"),
                server_functions=[heat],
                elem_id="mz-tools",
                rated=rated,
            )
            answers = gr.HTML(cards.empty_html(), elem_id="mz-answers")
    form = [picker, question, reference, adapters, others]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked: dict[str, Any] = {"outputs": answers, "concurrency_limit": AT_ONCE, **quiet}
    page.load(choices, outputs=adapters, concurrency_limit=AT_ONCE, **quiet)
    gr.on([ask.click, question.submit], compare, inputs=form, **asked)
    begun = f"() => ['', '', {json.dumps(cards.empty_html())}]"
    picker.clear(None, outputs=[question, reference, answers], js=begun, **quiet)
    tools.select(sample, inputs=[*form, tools], **asked)
    strip.select(take_example, inputs=strip, outputs=[picker, question], **quiet).then(
        compare, inputs=form, **asked
    )


def _strip(shown: list[Example]) -> str:
    """The examples as buttons; the scans are drawn, so their pictures may stand in the page."""
    buttons = "".join(
        f'<button type="button" data-number="{number}" title="{escape(one.label)}">'
        f'<img src="{one.thumbnail}" alt="">'
        f"<span><b>{escape(one.label)}</b>{escape(one.question)}</span></button>"
        for number, one in enumerate(shown)
    )
    return f'<div class="mz-strip"><h2>Drawn examples</h2><div>{buttons}</div></div>'
