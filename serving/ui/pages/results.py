"""The page `Results`: what the ratings of a list come to.

All of it is the scripts', which ask `/v1/annotations`.
"""

import gradio as gr

from serving.ui.style import script


def build() -> None:
    """Fill the page."""
    gr.HTML(
        value="",
        html_template='<section class="mz-results" aria-label="Results"></section>',
        js_on_load=script("api.js", "results_tables.js", "results.js"),
        elem_id="mz-results",
        apply_default_css=False,
    )
