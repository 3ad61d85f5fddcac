"""Every page of a ward with something on it, one after the other: for tests that look at all of them, and for
the pictures of `docs/`."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.phantom.cases import example_cases

TITLE = "Drawn scans, first round"
CASES = 12
ZIP = {"Content-Type": "application/zip"}
REPORT, QUESTION = "Describe the findings of this scan.", "How large is the cyst?"


class Someone:
    """A person with a browser of their own who is signed in."""

    def __init__(self, browser: Any, url: str, name: str, password: str, **options: Any) -> None:
        self.url, self.name = url, name
        self.page = browser.new_page(**options)
        self.page.goto(f"{url}/sign-in")
        self.page.fill("input[name=name]", name)
        self.page.fill("input[name=password]", password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("button", name="Sign out").wait_for()

    def ask(self, path: str, **body: Any) -> Any:
        """GET, or POST where there is a body; the reply as JSON."""
        address = f"{self.url}/v1/annotations{path}"
        reply = self.page.request.post(address, **body) if body else self.page.request.get(address)
        assert reply.ok, f"{path}: {reply.status} {reply.text()}"
        return reply.json()

    def rate(self, work_list: str, *, mild: float, most: int) -> None:
        """Rate at most so many cases by how many words an answer shares with the reference; whoever is `mild`
        finds fewer faults."""
        for case in self.ask(f"/lists/{work_list}/cases")[:most]:
            self._rate(case["case"], mild)

    def _rate(self, case: int, mild: float) -> None:
        shown = self.ask(f"/cases/{case}")
        likeness = {a["letter"]: round(_shared(a["text"], shown["reference"]), 3) for a in shown["answers"]}
        order = sorted(set(likeness.values()), reverse=True)
        for letter, like in likeness.items():
            wrong = 1 - like - mild
            self._click(
                case, letter, "severity", "none" if wrong <= 0 else "minor" if wrong < 0.5 else "severe"
            )
            self._click(case, letter, "rank", order.index(like) + 1)
            if wrong >= 0.5:
                self._click(case, letter, "errors", ["SLC"])
        self._click(case, None, "done", True)

    def _click(self, case: int, letter: str | None, sets: str, value: Any) -> None:
        click = {"uid": str(uuid.uuid4()), "letter": letter, "sets": sets, "value": value}
        self.ask(
            f"/cases/{case}/clicks", data=json.dumps(click), headers={"Content-Type": "application/json"}
        )


def rated_list(chief: Someone, raters: list[Someone], adapters: list[str]) -> str:
    """Upload a list, wait for its answers, let everybody rate, the last one half of it; the list's id."""
    words = {"title": TITLE, "adapters": ",".join(adapters), "raters": ",".join(r.name for r in raters)}
    query = "&".join(f"{key}={value}" for key, value in {**words, "overlap": len(raters)}.items())
    made = chief.ask(f"/lists?{query}", data=example_cases(count=CASES), headers=ZIP)["id"]
    while next(one for one in chief.ask("/lists") if one["id"] == made)["state"] != "open":
        chief.page.wait_for_timeout(200)
    for number, rater in enumerate(raters):
        rater.rate(made, mild=0.1 * number, most=CASES // (1 + (number == len(raters) - 1)))
    return made


def visits(
    chief: Someone, rater: Someone, work_list: str, picture: Path, *, look: bool = True
) -> Iterator[tuple[str, Any]]:
    """Each page's name and the page, when all is there that it shows; the rater has a case left to rate. To
    `look` a short answer's map is shown, else a report is asked for."""
    page = chief.page
    page.goto(chief.url)
    page.locator("#mz-adapters label").first.wait_for()
    page.locator("#mz-picker input[type=file]").set_input_files(picture)
    page.locator(".mzv-stage img.mzv-there").first.wait_for()
    page.locator("#mz-question textarea").fill(QUESTION if look else REPORT)
    page.locator("#mz-compare").click()
    page.locator(".mz-text").first.wait_for()
    if look:
        page.get_by_role("button", name="Where it looked").last.click()
        page.locator(".mz-heat figure").first.wait_for()
    yield "compare", page
    page.goto(f"{chief.url}/lists")
    page.locator(".mz-worklist").first.wait_for()
    page.locator(".mz-fresh summary").first.click()
    yield "lists", page
    page.goto(f"{chief.url}/results?list={work_list}")
    page.locator(".mz-results table").first.wait_for()
    page.wait_for_function("[...document.querySelectorAll('.mz-results img')].every(one => one.naturalWidth)")
    yield "results", page
    page.goto(f"{chief.url}/browse")
    page.locator("#mz-browse h2").first.wait_for()
    yield "browse", page
    page = rater.page
    left = [one["case"] for one in rater.ask(f"/lists/{work_list}/cases") if not one["done"]]
    case = max(left, key=lambda one: len(rater.ask(f"/cases/{one}")["answers"]))
    page.goto(f"{rater.url}/rate?list={work_list}&case={case}")
    page.locator(".mz-answer").first.wait_for()
    page.locator(".mzv-stage img.mzv-there").first.wait_for()
    for key in ("1", "n", "Shift+Digit1", "2", "m", "w"):
        page.keyboard.press(key)
    page.get_by_text("Saved").wait_for()
    yield "rate", page


def _shared(one: str, other: str) -> float:
    """The share of their words that both have."""
    first, second = (set(text.lower().replace(".", "").split()) for text in (one, other))
    return len(first & second) / max(1, len(first | second))
