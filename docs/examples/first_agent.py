"""A first agent: one class, one call, and what it cost.

    .venv/bin/python docs/examples/first_agent.py "Why is the sky blue?"

after the two `export` lines that `make run` prints; DEVORA_MODEL names a model or
route of yours.
"""

import os
import sys

from devora_ops.client import BudgetExceeded, DevoraError, EnhancedBaseAgent


class Explainer(EnhancedBaseAgent):
    model = os.environ.get("DEVORA_MODEL", "smart")

    def explain(self, question: str) -> str:
        instructions = {"role": "system", "content": "Explain it in two sentences."}
        result = self.call_llm([instructions, {"role": "user", "content": question}])
        return result.text


def main(question: str) -> None:
    with Explainer() as agent:
        print(agent.explain(question))
        stats = agent.stats
        print(f"{stats.cost_usd} USD, {stats.latency_ms_mean:.0f} ms")


if __name__ == "__main__":
    try:
        main(" ".join(sys.argv[1:]) or "Why is the sky blue?")
    except BudgetExceeded as error:
        sys.exit(f"The budget is spent: {error}")
    except DevoraError as error:
        sys.exit(str(error))
