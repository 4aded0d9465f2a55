"""An experiment on a prompt with two versions."""

import pytest

from experiments.services import NewVariant, experiment_create
from prompts.services import label_move, prompt_create, version_create

DEFINITION = {
    "messages": [{"role": "user", "content": "Hello, {{ name }}."}],
    "model": "smart",
}


@pytest.fixture
def greeting(db):
    prompt = prompt_create(
        slug="greeting", name="Greeting", definition=DEFINITION, actor="user:ada"
    )
    version_create(prompt=prompt, definition={"model": "cheap"}, actor="user:ada")
    label_move(prompt=prompt, label="production", number=1, actor="user:ada")
    return prompt


@pytest.fixture
def draft(greeting):
    return experiment_create(
        slug="tone",
        prompt=greeting,
        variants=[NewVariant("control", 1), NewVariant("short", 2)],
        actor="user:ada",
    )
