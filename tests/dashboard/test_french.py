"""French is complete: our texts, and those of the frame that has none of its own."""

import re
from pathlib import Path

import pytest
import unfold
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation.trans_real import DjangoTranslation

from devora_ops.common.models import User
from tests.dashboard.messages import messages_below

ROOT = Path(__file__).resolve().parents[2]
OURS = ("devora_ops", "costs", "llm", "rag", "prompts", "experiments", "templates")
FRENCH = ROOT / "locale/fr/LC_MESSAGES"
FRAME = Path(unfold.__file__).parent
CATALOGUE = DjangoTranslation("fr")._catalog  # type: ignore[attr-defined]
_PLACEHOLDER = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


@pytest.mark.parametrize("folder", [*(ROOT / name for name in OURS), FRAME], ids=str)
def test_every_text_has_its_french(folder):
    found = messages_below(folder)
    assert found
    lacking = {
        message.text: sorted(places)
        for message, places in found.items()
        if not all(CATALOGUE.get(key) for key in message.keys)
    }
    assert lacking == {}


def test_the_french_fills_in_the_same_values():
    for folder in OURS:
        for message in messages_below(ROOT / folder):
            english = (message.text, message.plural or message.text)
            for key, said in zip(message.keys, english, strict=False):
                wanted = set(_PLACEHOLDER.findall(said))
                assert set(_PLACEHOLDER.findall(CATALOGUE[key])) == wanted, message


def source():
    with (FRENCH / "django.po").open("rb") as file:
        return [message for message in read_po(file, locale="fr") if message.id]


def test_french_sets_its_punctuation_apart():
    for message in source():
        forms = [message.string] if isinstance(message.string, str) else message.string
        for form in forms:
            text = re.sub(r"%\(\w+\)s|<[^>]*>|\{[^}]*\}|%2B", "", form)
            assert not re.search(r"[^\s\u202f][;?!](\s|$)", text), form
            assert not re.search(r"[^\s\u202f]:(\s|$)| [:;?!](\s|$)", text), form


def entries(messages):
    return sorted(
        (_text(message.context or ""), _forms(message.id), _forms(message.string))
        for message in messages
        if message.id
    )


def _forms(text):
    return tuple(map(_text, text)) if isinstance(text, list | tuple) else (_text(text),)


def _text(text):
    return text.decode() if isinstance(text, bytes) else text


def test_the_compiled_catalogue_is_that_of_the_source():
    with (FRENCH / "django.mo").open("rb") as file:
        assert entries(read_mo(file)) == entries(source())
    assert not any(message.fuzzy for message in source())


@pytest.mark.django_db
def test_the_page_is_french_throughout(client):
    client.force_login(User.objects.create_superuser("owner"))
    page = client.get("/?panels=inline", headers={"Accept-Language": "fr"})
    text = page.content.decode()
    for french in ("Vue d’ensemble", "Clés d’API", "En attente du premier appel"):
        assert french in text
    for english in ("Overview", "API keys", "Waiting for", "Search apps"):
        assert english not in text
