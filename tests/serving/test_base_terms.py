"""What whoever asks a base is bound to, as its page and its list of models say it."""

from html import escape

from serving.rest.chat_replies import ModelReply
from serving.ui.site import terms_html
from tests.serving.ui._shelf import listing
from zoo.bases import known_base

LINK = "https://developers.google.com/health-ai-developer-foundations/terms"


def test_the_page_and_the_models_link_the_terms_of_a_base_whose_terms_go_along(make_adapter):
    base = known_base("medgemma-4b")
    assert f'href="{escape(LINK)}"' in terms_html(base)
    assert ModelReply.of_base(base).medzoo.terms == [LINK]
    of_it = listing(make_adapter(license="health-ai-developer-foundations and apache-2.0"))
    assert ModelReply.of(of_it).medzoo.terms == [LINK]


def test_a_base_without_such_terms_has_no_link(make_adapter):
    assert terms_html(known_base("phantom")) == ""
    assert ModelReply.of_base(known_base("phantom")).medzoo.terms == []
    assert ModelReply.of(listing(make_adapter())).medzoo.terms == []
