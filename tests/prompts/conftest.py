"""A prompt to work with."""

import pytest

from prompts.services import prompt_create
from rag.services import corpus_create

GREETING = {
    "messages": [
        {"role": "system", "content": "You are {{ tone|default('kind') }}."},
        {"role": "user", "content": "Hello, I am {{ name }}."},
    ],
    "variables": {"name": {"type": "string", "example": "Ada"}},
    "model": "smart",
    "parameters": {"temperature": 0.2, "max_tokens": 300},
}


@pytest.fixture
def docs(db):
    return corpus_create(slug="docs", name="Docs", actor="user:ada")


@pytest.fixture
def greeting(db):
    return prompt_create(
        slug="greeting", name="Greeting", definition=GREETING, actor="user:ada"
    )
