"""The hot modules start without Django; every call would pay for it otherwise."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HOT = [
    "llm.gateway.app",
    "llm.providers.anthropic",
    "llm.gateway.cache_store",
    "llm.gateway.limits",
    "llm.providers.openai",
    "llm.translation.chat_over_messages",
    "llm.translation.messages_over_chat",
    "costs.ledger",
    "costs.pricing",
    "prompts.rendering",
    "prompts.runtime",
    "experiments.assignment",
    "experiments.expansion",
    "experiments.exposures",
    "rag.retriever",
    "rag.stores.pgvector",
    "rag.embedders.registry",
    "devora_ops.common.addresses",
    "devora_ops.common.apikeys",
    "devora_ops.common.batching",
    "devora_ops.common.crypto",
    "devora_ops.common.errors",
    "devora_ops.common.fitting",
    "devora_ops.common.ids",
    "devora_ops.common.postgres",
    "devora_ops.common.redis_line",
    "devora_ops.common.roles",
    "devora_ops.common.snapshots",
    "devora_ops.common.strict_json",
    "devora_ops.common.text",
]


@pytest.mark.parametrize("module", HOT)
def test_a_hot_module_is_imported_without_django(module: str):
    program = f"import sys, {module}; sys.exit('django' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)

    assert done.returncode == 0
