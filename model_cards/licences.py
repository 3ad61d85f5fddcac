"""A licence on a card: what it allows and forbids in a sentence, and how the Hub's metadata names it."""

import re
from typing import Any

from zoo.licences import LICENCES, obliging, parts

UNKNOWN = (
    "The terms of the base and of the data hold, the stricter of them where they differ; "
    "nothing here allows more. Read them before any use."
)


def sentence(licence: str) -> str:
    """What the licence, or each of several joined by `and`, allows and forbids."""
    each = parts(licence)
    if not each or not all(one in LICENCES for one in each):
        return UNKNOWN
    if len(each) == 1:
        return LICENCES[each[0]].about
    told = " ".join(f"`{one}`: {LICENCES[one].about}" for one in each)
    return f"All of these hold at once. {told}"


def metadata(licence: str, *, link: str) -> dict[str, Any]:
    """The licence keys of a card: an identifier the Hub knows, else `other` with a name and a link: to the
    licence's own text where that must go along, else `link`."""
    name = licence.strip().lower()
    if name in LICENCES and LICENCES[name].on_hub:
        return {"license": name}
    slug = re.sub(r"[^a-z0-9.]+", "-", name).strip("-")
    text = next((one.link for one in obliging(licence)), link)
    return {"license": "other", "license_name": slug, "license_link": text}


def notice(licence: str) -> str:
    """The file `NOTICE` that goes along; empty if the licence asks for none."""
    return "".join(f"{one.notice}\n" for one in obliging(licence) if one.notice)
