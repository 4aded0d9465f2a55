"""LiteLLM's proxy as a peer: one worker, the simulator as its only provider.

It is set up as its makers set it up to measure it: no database, no callbacks, no
retries, a master key. It then keeps no books, checks no budget and no limit and has no
cache, so it does less than what it is compared with.
"""

import http.client
from pathlib import Path

import orjson

from benchmarks.installation import MODELS
from benchmarks.peers_environment import FOLDER, PYTHON, install_peers
from benchmarks.stage import BenchmarkError, Server, Stage

KEY = "sk-benchmark-and-long-enough"

# What it would fetch at start lies in its package too, and nothing is reported home.
_OFFLINE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
}
_ENVIRON = {
    **_OFFLINE,
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LITELLM_MODE": "PRODUCTION",  # else it reads a .env that it finds
    "LITELLM_LOG": "ERROR",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
}
_LOOPBACK = "127.0.0.1"


def serve_litellm(stage: Stage, simulator: Server) -> Server:
    """Start it on the measured core; raises BenchmarkError when it cannot be had."""
    install_peers()
    return stage.serve(
        "litellm",
        *(str(FOLDER / "bin" / "litellm"), "--config", str(_config(stage, simulator))),
        *("--host", _LOOPBACK, "--port", "{port}", "--num_workers", "1"),
        *("--telemetry", "False"),
        measured=True,
        environ=_ENVIRON,
        python=PYTHON,
    )


def _config(stage: Stage, simulator: Server) -> Path:
    """Write its configuration: JSON, which is YAML as well."""
    models = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{name}",
                "api_base": f"http://{_LOOPBACK}:{simulator.port}/v1",
                "api_key": "sk-simulated-and-long-enough",
            },
        }
        for name in MODELS
    ]
    config = {
        "model_list": models,
        "litellm_settings": {"callbacks": [], "num_retries": 0, "request_timeout": 30},
        "general_settings": {"master_key": KEY},
    }
    path = stage.folder / "litellm.yaml"
    path.write_bytes(orjson.dumps(config))
    return path


def prove(litellm: Server, simulator: Server) -> None:
    """Raise BenchmarkError unless it answers what the simulator answers."""
    own, passed_on = _ask(simulator), _ask(litellm)
    if passed_on != own:
        raise BenchmarkError(f"LiteLLM answers {passed_on}, the simulator {own}")


def _ask(server: Server) -> tuple[str, int]:
    """Ask for one answer; return its text and how many tokens it says it took."""
    connection = http.client.HTTPConnection(_LOOPBACK, server.port, timeout=60)
    body = {"model": "sim-instant", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", orjson.dumps(body), headers)
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    if response.status != 200:
        text = data.decode(errors="replace")[:300]
        raise BenchmarkError(f"{server.name} answers {response.status}: {text}")
    answer = orjson.loads(data)
    text = answer["choices"][0]["message"]["content"]
    return text, answer["usage"]["total_tokens"]
