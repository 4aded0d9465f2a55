"""What one simulator is started with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Config:
    """The journal's place, the seed of every answer, and how slow time runs.

    latency_scale multiplies the believable latencies of ordinary models (0: none).
    Pauses that a model name asks for in so many words are never scaled.
    """

    journal_path: Path
    seed: int = 0
    latency_scale: float = 1.0
