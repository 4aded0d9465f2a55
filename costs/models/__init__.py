"""The ledger's tables: what calls cost and took, what may still be spent.

Facts name their dimensions by slug, without foreign keys upward, so history stays true
when a model or a prompt is deleted.
"""

from costs.models.alerts import Alert, AlertKind
from costs.models.budgets import (
    Budget,
    BudgetPeriod,
    BudgetStage,
    Counter,
    Hold,
    usual_alert_steps,
)
from costs.models.facts import (
    Anomaly,
    Attempt,
    AttemptState,
    Call,
    CallStatus,
    Dimensions,
    Score,
)
from costs.models.prices import Price

__all__ = [
    "Alert",
    "AlertKind",
    "Anomaly",
    "Attempt",
    "AttemptState",
    "Budget",
    "BudgetPeriod",
    "BudgetStage",
    "Call",
    "CallStatus",
    "Counter",
    "Dimensions",
    "Hold",
    "Price",
    "Score",
    "usual_alert_steps",
]
