"""The ledger's tables: what calls cost and took, what may still be spent.

Facts name their dimensions by slug, without foreign keys upward, so history stays true
when a model or a prompt is deleted.
"""

from costs.models.alerts import Alert, AlertKind, AlertMute
from costs.models.budgets import (
    Budget,
    BudgetPeriod,
    BudgetStage,
    Counter,
    Hold,
    usual_alert_steps,
)
from costs.models.digests import Digest, DigestEvery
from costs.models.facts import (
    BILL_PART,
    Anomaly,
    Attempt,
    AttemptState,
    BillPart,
    Call,
    CallStatus,
    Dimensions,
    Score,
)
from costs.models.prices import Price

__all__ = [
    "BILL_PART",
    "Alert",
    "AlertKind",
    "AlertMute",
    "Anomaly",
    "Attempt",
    "AttemptState",
    "BillPart",
    "Budget",
    "BudgetPeriod",
    "BudgetStage",
    "Call",
    "CallStatus",
    "Counter",
    "Digest",
    "DigestEvery",
    "Dimensions",
    "Hold",
    "Price",
    "Score",
    "usual_alert_steps",
]
