"""How the page looks: Gradio's theme and the style sheet beside it. All of it comes with the packages."""

from pathlib import Path

import gradio as gr

ASSETS = Path(__file__).parent / "assets"


def theme() -> gr.themes.Base:
    """Calm and light, in the fonts that Gradio brings along; its semi-bold ones lack most letters."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"],
    )


def css() -> str:
    """The style sheets, `page.css` first."""
    sheets = sorted(ASSETS.glob("*.css"), key=lambda path: (path.name != "page.css", path.name))
    return "\n".join(path.read_text(encoding="utf-8") for path in sheets)


def asset(name: str) -> str:
    """A file of the pages' own as text."""
    return (ASSETS / name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """Scripts of the pages' own, one after the other."""
    return "\n".join(asset(name) for name in names)
