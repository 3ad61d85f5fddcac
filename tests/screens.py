"""The pictures of `docs/` that show commands, a card and pages: `python -m tests.screens DEMO_FOLDER docs`.

Takes the folder that `medzoo demo` left (`.demo/REVISION`), serves its Hub, runs commands and
photographs what they print, one card as a page, and the pages of a ward in which twelve drawn scans are
rated by a rule, with Chromium.
"""

import html
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from huggingface_hub import HfApi
from markdown_it import MarkdownIt

from tests.end_to_end._pages import Someone, rated_list, visits
from tests.end_to_end._ward import PASSWORD, Ward
from tests.serving.ui._chromium import chromium
from zoo.demo import VARIANTS
from zoo.demo_ward import PEOPLE
from zoo.localhub.server import serving

CARD = "local/phantom-mdpo"
WIDTH, HIGHEST = 1180, 1900
WIDTHS = {1280: "", 820: "-820"}
"""Of the pages: a desk's and a tablet's, and what a picture's name has for it."""
_FRAME = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 24px; background: {paper}; color: {ink}; font: 15px/1.45 "DejaVu Sans"; }}
pre {{ font: 13px/1.4 "DejaVu Sans Mono", monospace; white-space: pre; margin: 0; }}
table {{ border-collapse: collapse; font-size: 12px; }} td, th {{ border: 1px solid #ccc; padding: 3px 7px; }}
code, article pre {{ background: #f3f4f6; font-size: 12px; }} article pre {{ padding: 8px; }}
img {{ max-width: 100%; }}
h1 {{ font-size: 26px; }} h2 {{ font-size: 20px; border-bottom: 1px solid #ddd; }}
</style>{body}"""


def main(demo: Path, docs: Path) -> None:
    """Make every picture anew."""
    with tempfile.TemporaryDirectory() as scratch, serving(demo / "hub") as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub, "HF_TOKEN": "local", "HF_HOME": scratch}
        answers = str(demo / "evaluation" / "predictions.jsonl")
        for name, words in {
            "ls": ["ls"],
            "report": ["report", answers, "--metric", "accuracy"],
            "verify": ["verify", CARD],
        }.items():
            done = subprocess.run(
                [sys.executable, "-m", "zoo", *words], env=environment, capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(f"medzoo {shlex.join(words)}: {done.stderr}")
            typed = shlex.join(["medzoo", *(Path(w).name if w == answers else w for w in words)])
            _terminal(f"$ {typed}\n{done.stdout}", docs / f"{name}.png")
        folder = HfApi(endpoint=hub, token="local").snapshot_download(CARD, cache_dir=scratch)
        _card(folder, docs / "card.png")
        _pages(demo, hub, Path(scratch), docs)
    shutil.copyfile(demo / "report" / "differences-phantom-test-accuracy.png", docs / "differences.png")


def _pages(demo: Path, hub: str, scratch: Path, docs: Path) -> None:
    ward = Ward(scratch, hub, [f"local/phantom-{name}" for name in VARIANTS])
    for name, role in PEOPLE.items():
        ward.account(name, role)
    with ward.server(), chromium() as browser:
        chief, *raters = (Someone(browser, ward.url, name, PASSWORD) for name in PEOPLE)
        work_list = rated_list(chief, raters, ["base", *VARIANTS])
        for width, suffix in WIDTHS.items():
            for one in (chief, *raters):
                one.page.set_viewport_size({"width": width, "height": 900})
            shown = visits(chief, raters[-1], work_list, demo / "scan.png", look=bool(suffix))
            for name, page in shown:
                for _ in range(2):  # a picture's height goes with the window's
                    height = page.evaluate("document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": min(height, HIGHEST)})
                    page.wait_for_timeout(300)
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(500)  # until what fades in has
                page.screenshot(path=docs / f"{name}{suffix}.png")
                page.set_viewport_size({"width": width, "height": 900})
                print(docs / f"{name}{suffix}.png")
        page = browser.new_page(viewport={"width": 820, "height": 760})
        page.goto(f"{ward.url}/sign-in")
        page.screenshot(path=docs / "sign-in.png")


def _terminal(text: str, picture: Path) -> None:
    lines = text.rstrip().splitlines()
    width = max(WIDTH, 48 + 8 * max(map(len, lines)))
    body = f"<pre>{html.escape(text.rstrip())}</pre>"
    _photograph(body, picture, width=width, height=52 + 19 * len(lines), paper="#14171c", ink="#e6e6e6")


def _card(folder: str, picture: Path) -> None:
    text = (Path(folder) / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
    body = MarkdownIt("commonmark").enable("table").render(text)
    body = body.replace('src="', f'src="file://{folder}/')
    _photograph(f"<article>{body}</article>", picture, width=WIDTH, height=1700, paper="#fff", ink="#1f2328")


def _photograph(body: str, picture: Path, *, width: int, height: int, paper: str, ink: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "page.html"
        page.write_text(_FRAME.format(body=body, paper=paper, ink=ink), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={width},{height}"]
        chromium = ["chromium", *options, f"--screenshot={picture.resolve()}", f"file://{page}"]
        subprocess.run(chromium, check=True, capture_output=True)
    print(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
