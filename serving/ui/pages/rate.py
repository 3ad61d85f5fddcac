"""The page `Rate`: cases that are assigned to whoever is signed in, blind.

All of it is the scripts', which ask `/v1/annotations`. Nothing of a case passes through Gradio.
"""

import gradio as gr

from serving.ui.style import script


def build() -> None:
    """Fill the page."""
    gr.HTML(
        value="",
        html_template='<section class="mz-rate" aria-label="Rate"></section>',
        js_on_load=script(
            "api.js", "viewer.js", "save.js", "answer.js", "rank.js", "case.js", "keys.js", "rate.js"
        ),
        elem_id="mz-rate",
        apply_default_css=False,
    )
