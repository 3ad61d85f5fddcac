"""The wordings that pairs are made with; see `zoo.wordings` for their files' names and versions."""

from importlib.resources import files

from zoo.wordings import Wordings

_WORDINGS = Wordings(files(__name__))
prompt = _WORDINGS.prompt
prompt_ids = _WORDINGS.ids
