"""What beat has done, and how often."""

from datetime import timedelta
from typing import Any, Final

BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "keep-partitions": {
        "task": "costs.keep_partitions",
        "schedule": timedelta(hours=1),
    },
    "keep-content": {"task": "llm.keep_content", "schedule": timedelta(hours=1)},
    "requeue-documents": {
        "task": "rag.requeue_documents",
        "schedule": timedelta(minutes=1),
    },
    # A run that nobody took in time is the next one's work.
    "notice-crossings": {
        "task": "costs.notice_crossings",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "notice-forecasts": {
        "task": "costs.notice_forecasts",
        "schedule": timedelta(minutes=2),
        "options": {"expires": 120},
    },
    "notice-anomalies": {
        "task": "costs.notice_anomalies",
        "schedule": timedelta(minutes=2),
        "options": {"expires": 120},
    },
    "leave-word-of-digests": {
        "task": "costs.leave_word_of_digests",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 300},
    },
    "send-alerts": {
        "task": "costs.send_alerts",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 5},
    },
}
