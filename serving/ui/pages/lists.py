"""The page `Work lists`: an administrator's lists: upload, assign, progress, close.

All of it is the scripts', which ask `/v1/annotations`; Gradio gives out the example of a file alone.
"""

import base64

import gradio as gr

from serving.annotations.beside import NO_BASE, NO_SFT
from serving.ui.style import script
from zoo.phantom.cases import example_cases

EXAMPLE_CASES = 12


def build(*, most: int) -> None:
    """Fill the page; a list has at most `most` adapters."""

    def example(_: str) -> str:
        return f"data:application/zip;base64,{base64.b64encode(example_cases(count=EXAMPLE_CASES)).decode()}"

    gr.HTML(
        value="",
        html_template='<section class="mz-lists" aria-label="Work lists"></section>',
        js_on_load=script("api.js", "new_list.js", "lists.js"),
        server_functions=[example],
        elem_id="mz-lists",
        most=most,
        lacks={"sft": NO_SFT, "base": NO_BASE},
        apply_default_css=False,
    )
