"""What a licence allows and forbids, in a sentence, and how the Hub's card metadata names it.

It gives no legal advice: the licence's own text holds.
"""

import re
from typing import Any

SENTENCES = {
    "apache-2.0": "Use, change and pass on, also commercially, with the licence and its notices kept.",
    "mit": "Use, change and pass on, also commercially, with the licence kept.",
    "bsd-3-clause": "Use, change and pass on, also commercially, with the licence kept.",
    "cc0-1.0": "Use, change and pass on, without conditions.",
    "cc-by-4.0": "Use, change and pass on, also commercially, with credit given.",
    "cc-by-sa-4.0": "Use, change and pass on, also commercially, with credit and under the same licence.",
    "cc-by-nc-4.0": "Forbids commercial use; otherwise use, change and pass on with credit given.",
    "cc-by-nc-sa-4.0": "Forbids commercial use; pass on with credit given and under the same licence.",
    "cc-by-nc-nd-4.0": "Forbids commercial use and forbids passing on anything changed.",
    "gemma": "Forbids the uses that the Gemma prohibited-use policy lists, and passing on without its terms.",
    "llama2": "Forbids what its acceptable-use policy lists, and passing on without its terms.",
    "llama3": "Forbids what its acceptable-use policy lists, and passing on without its terms.",
}
"""By the Hub's identifiers, what each allows or forbids."""

UNKNOWN = (
    "The terms of the base and of the data hold, the stricter of them where they differ; "
    "nothing here allows more. Read them before any use."
)


def sentence(licence: str) -> str:
    """What the licence, or each of several joined by `and`, allows and forbids."""
    parts = [part.strip() for part in licence.split(" and ")]
    if not all(part.lower() in SENTENCES for part in parts):
        return UNKNOWN
    if len(parts) == 1:
        return SENTENCES[parts[0].lower()]
    each = " ".join(f"`{part}`: {SENTENCES[part.lower()]}" for part in parts)
    return f"All of these hold at once. {each}"


def metadata(licence: str, *, link: str) -> dict[str, Any]:
    """The licence keys of a card: an identifier the Hub knows, else `other` with a name and a link."""
    if licence.lower() in SENTENCES:
        return {"license": licence.lower()}
    name = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")
    return {"license": "other", "license_name": name, "license_link": link}
