"""`python -m devora_ops.simulator --port N --file PATH --seed S`."""

import argparse
import sys
from pathlib import Path

from devora_ops.simulator.config import Config
from devora_ops.simulator.server import listen, run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m devora_ops.simulator",
        description="Serve the OpenAI and Anthropic formats with made-up answers.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one, printed")
    parser.add_argument("--file", type=Path, required=True, help="journal to append to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency-scale", type=float, default=1.0)
    return parser.parse_args()


def main() -> int:
    """Serve until stopped; 1 when the port or the journal cannot be had."""
    arguments = _arguments()
    config = Config(arguments.file, arguments.seed, arguments.latency_scale)
    try:
        listener = listen(arguments.host, arguments.port)
        run(config, listener=listener)
    except OSError as error:
        sys.stderr.write(f"The simulator cannot start: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
