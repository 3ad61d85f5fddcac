"""The page `Compare`: an image, a question, a choice of adapters, and their answers side by side.

Every value that Gradio keeps is small: of an image it holds only a key. What is shown is `cards`'.
"""

import logging
from collections.abc import Iterator
from contextlib import closing
from html import escape
from typing import Any

import gradio as gr

from serving.core.requests import BASE
from serving.live import Live
from serving.pictures import Pictures
from serving.service import Asked, Listing, Service
from serving.ui import cards
from serving.ui.examples import Example, examples
from serving.ui.style import script
from serving.ui.tray import Tray, preview
from zoo import asking
from zoo.errors import ZooError

log = logging.getLogger(__name__)

GATHER_S = 0.1
"""Text that comes within this time of another is drawn with it."""
AT_ONCE = 16
"""Comparisons of the page that may wait for the engine at once; the engine batches them."""

_PICKER = """
<div class="mz-picker ${preview ? 'mz-full' : ''} ${busy ? 'mz-busy' : ''}" tabindex="0" role="button"
     aria-label="Choose an image">
  <input type="file" accept="image/png,image/jpeg,.png,.jpg,.jpeg,.dcm,.dicom,application/dicom" hidden>
  ${preview ? `<img src="${preview}" alt="the chosen image"><span class="mz-again">Choose another</span>`
            : `<div class="mz-drop"><svg viewBox="0 0 24 24" aria-hidden="true"><path
               d="M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3M12 4v11M7.5 8.5 12 4l4.5 4.5"/></svg>
               <b>Drop an image or click</b><span>PNG, JPEG or DICOM</span></div>`}
</div>
${problem ? `<p class="mz-problem" role="alert">${problem}</p>` : ''}
"""


def build(page: gr.Blocks, service: Service, pictures: Pictures) -> None:
    """Fill the page of one service."""
    tray = Tray()
    known: dict[str, Listing] = {}
    """The adapters as they stood when a page was last opened: for titles and scores."""
    shown = examples() if service.base.name == "phantom" else []

    def look(uri: str) -> dict[str, str]:
        """Decode what the browser read; give back a key and a picture of it, or what is wrong."""
        tray.expire()
        try:
            image = pictures.open_now(uri)
        except ZooError as error:
            return {"key": "", "preview": "", "problem": escape(f"{error.message}. {error.hint}")}
        return {"key": tray.put(image), "preview": preview(image), "problem": ""}

    def take_example(number: int) -> tuple[Any, str]:
        chosen = shown[int(number)]
        picture = preview(chosen.image)
        return gr.HTML(value=tray.put(chosen.image), preview=picture, problem=""), chosen.question

    def compare(
        key: str, question: str, chosen: list[str], others: str, request: gr.Request
    ) -> Iterator[str]:
        """The answers as they come; Gradio closes this when the page is gone, which cancels them."""
        names = [*chosen, *(name.strip() for name in others.split(",") if name.strip())]
        try:
            image = tray.get(key)
            yield cards.waiting_html(question, names)
            asked = Asked(
                images=(image,),
                turns=asking.question(question),
                adapters=tuple(names),
                client=getattr(request.state, "client", "") or f"page {request.session_hash}",
            )
            live = Live(service, asked)
            texts = [""] * len(names)
            with closing(live.bursts(gather_s=GATHER_S)) as bursts:
                for burst in bursts:
                    for piece in burst:
                        texts[piece.row] += piece.text
                    yield cards.live_html(question, live.answering, texts)
            yield cards.comparison_html(live.result(), known)
        except ZooError as error:
            yield cards.fault_html(error)
        except Exception as error:  # the edge: the page must say that it failed
            log.error("a comparison of the page failed: %s", type(error).__name__)
            yield cards.fault_html(ZooError("the server failed on this question", hint="ask the operator"))

    def choices() -> Any:
        listed = service.adapters()
        known.update({one.alias: one for one in listed})
        names = [BASE, *(one.alias for one in listed if one.adapter is not None)]
        return gr.CheckboxGroup(choices=_choices(listed), value=names[: service.max_adapters])

    with gr.Row(elem_classes="mz-main"):
        with gr.Column(scale=4, min_width=280, elem_classes="mz-ask"):
            picker = gr.HTML(
                value="",
                html_template=_PICKER,
                js_on_load=script("picker.js"),
                server_functions=[look],
                elem_id="mz-picker",
                preview="",
                problem="",
                busy=False,
                limit=pictures.limits.max_bytes,
            )
            question = gr.Textbox(
                label="Question",
                placeholder="On which side is the nodule?",
                lines=2,
                max_lines=6,
                elem_id="mz-question",
            )
            adapters = gr.CheckboxGroup(
                choices=[(BASE, BASE)],
                value=[BASE],
                label="Adapters, with accuracy and its 95 % interval",
                elem_id="mz-adapters",
            )
            others = gr.Textbox(
                label="Others on the Hub",
                placeholder="namespace/name@revision, ...",
                max_lines=1,
                elem_id="mz-others",
                visible=bool(service.allow),
            )
            ask = gr.Button("Compare", variant="primary", size="lg", elem_id="mz-compare")
        with gr.Column(scale=9, min_width=400):
            strip = gr.HTML(
                value=-1,
                html_template=_strip(shown),
                js_on_load=script("strip.js"),
                elem_id="mz-examples",
                visible=bool(shown),
            )
            answers = gr.HTML(cards.empty_html(), elem_id="mz-answers")
    asked = {"fn": compare, "inputs": [picker, question, adapters, others], "outputs": answers}
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.load(choices, outputs=adapters, concurrency_limit=AT_ONCE, **quiet)
    gr.on([ask.click, question.submit], **asked, concurrency_limit=AT_ONCE, **quiet)
    strip.select(take_example, inputs=strip, outputs=[picker, question], **quiet).then(
        **asked, concurrency_limit=AT_ONCE, **quiet
    )


def _choices(listed: list[Listing]) -> list[tuple[str, str]]:
    return [
        (f"{BASE}\nno adapter", BASE),
        *((cards.choice_label(one), one.alias) for one in listed if one.adapter is not None),
    ]


def _strip(shown: list[Example]) -> str:
    """The examples as buttons; the scans are drawn, so their pictures may stand in the page."""
    buttons = "".join(
        f'<button type="button" data-number="{number}" title="{escape(one.label)}">'
        f'<img src="{preview(one.image, longest=128)}" alt="{escape(one.label)}">'
        f"<span><b>{escape(one.label)}</b>{escape(one.question)}</span></button>"
        for number, one in enumerate(shown)
    )
    return f'<div class="mz-strip"><h2>Drawn examples</h2><div>{buttons}</div></div>'
