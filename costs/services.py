"""Writes of the control plane: budgets, and prices that supersede older ones."""

from typing import Any, Final

from django.db import DataError, connection, transaction
from django.utils.translation import gettext as _

from costs.models import Budget, Price
from costs.price_rows import MODEL_NAME, RATES
from costs.price_sanity import slips
from costs.targets import target_faults
from devora_ops.common import audit
from devora_ops.common.errors import Conflict, InvalidRequest, Unprocessable

_FIELDS: Final = (
    "name",
    "limit_usd",
    "period",
    "time_zone",
    "team",
    "agent",
    "end_user",
    "model",
    "prompt",
    "experiment",
    "hard",
    "route_down_at",
    "route_down_to",
    "cache_only_at",
    "alert_steps",
    "alert_forecast",
    "alert_emails",
    "alert_slack",
    "snoozed_until",
)


@transaction.atomic
def create_budget(*, actor: str, request_id: str = "", **fields: Any) -> Budget:
    """Make a budget; it counts from its first attempt on. Raises ValidationError."""
    budget = Budget(**fields)
    check_budget(budget)
    check_target(budget)
    budget.save()
    _record("budget.create", budget, actor, request_id, after=_facts(budget))
    return budget


@transaction.atomic
def change_budget(
    budget: Budget, *, actor: str, request_id: str = "", **changes: Any
) -> Budget:
    """Change a budget's fields; what its running period has spent stays counted."""
    before = _facts(budget)
    window = (budget.period, budget.time_zone)
    for name, value in changes.items():
        setattr(budget, name, value)
    check_budget(budget)
    if budget.route_down_to != before["route_down_to"]:
        check_target(budget)
    if window != (budget.period, budget.time_zone):
        _move_counter(budget, *window)
    budget.save()
    _record("budget.change", budget, actor, request_id, before, _facts(budget))
    return budget


@transaction.atomic
def delete_budget(budget: Budget, *, actor: str, request_id: str = "") -> None:
    """Remove a budget; attempts that are under way settle without it."""
    before = _facts(budget)
    _record("budget.delete", budget, actor, request_id, before)
    budget.delete()


@transaction.atomic
def add_price(
    *, actor: str, request_id: str = "", confirmed: bool = False, **fields: Any
) -> Price:
    """Add a price, which is in force from its moment on.

    confirmed: somebody has said that it is meant, though it looks like a slip.
    Raises ValidationError, Unprocessable.
    """
    price = Price(**fields)
    if not MODEL_NAME.fullmatch(price.model):
        raise InvalidRequest(_("Write it as provider/name."), param="model")
    if all(getattr(price, name) is None for name in RATES):
        raise InvalidRequest(_("Enter a rate; 0 for what is free."), param="input")
    if Price.objects.filter(model=price.model, valid_from=price.valid_from).exists():
        raise Conflict(_("There is one like this already."), param="valid_from")
    price.full_clean(validate_constraints=False)
    rates = {name: getattr(price, name) for name in RATES}
    if not confirmed and (told := list(slips(rates, price.schedule))):
        raise Unprocessable(
            " ".join(told), code="suspicious", param="confirm", extra={"doubts": told}
        )
    price.save()
    record_price(price, actor=actor, request_id=request_id)
    return price


def record_price(price: Price, *, actor: str, request_id: str = "") -> None:
    """Say in the audit that a price was added."""
    audit.record(
        actor=actor,
        action="price.create",
        object_type="costs.price",
        object_id=str(price.pk),
        after={"model": price.model, "valid_from": price.valid_from.isoformat()},
        request_id=request_id,
    )


def check_budget(budget: Budget, *, is_new: bool = True) -> None:
    """Raise ValidationError or InvalidRequest for what no budget can be.

    is_new: nobody else may have its name.
    """
    budget.full_clean(validate_unique=is_new, validate_constraints=is_new)
    # Python and Postgres each have their list of zones, and Postgres does the sums.
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT now() AT TIME ZONE %s", [budget.time_zone])
    except DataError as error:
        raise InvalidRequest(
            "The database does not know this time zone.",
            code="invalid",
            param="time_zone",
        ) from error


def check_target(budget: Budget) -> None:
    """Refuse a target that is not there; one that goes later is left alone.

    Whoever must raise a limit at once is not held up by what has become of a route.
    """
    for fault in target_faults([budget.route_down_to]).values():
        raise InvalidRequest(fault, code="invalid", param="route_down_to")


# Attempts name counters by id, so the running one moves to the new period with all
# that is spent and held in it. A past one may already begin where the new one does:
# it steps aside by an interval that only its id has.
_STEP_ASIDE = """
UPDATE costs_counter SET period_start = period_start - id * interval '1 microsecond'
WHERE budget_id = %(budget)s
  AND period_start = costs_period_start(%(period)s, %(zone)s, now())
  AND period_start <> costs_period_start(%(old_period)s, %(old_zone)s, now())
"""
_MOVE = """
UPDATE costs_counter
SET period_start = costs_period_start(%(period)s, %(zone)s, now()),
    period_end = costs_period_end(%(period)s, %(zone)s, now())
WHERE budget_id = %(budget)s
  AND period_start = costs_period_start(%(old_period)s, %(old_zone)s, now())
"""


def _move_counter(budget: Budget, old_period: str, old_zone: str) -> None:
    values: dict[str, Any] = {
        "budget": budget.pk,
        "period": budget.period,
        "zone": budget.time_zone,
        "old_period": old_period,
        "old_zone": old_zone,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STEP_ASIDE, values)
        cursor.execute(_MOVE, values)


def _facts(budget: Budget) -> dict[str, Any]:
    facts = {name: getattr(budget, name) for name in _FIELDS}
    snoozed = budget.snoozed_until
    return {
        **facts,
        "limit_usd": str(budget.limit_usd),
        "snoozed_until": snoozed and snoozed.isoformat(),
    }


def _record(
    action: str,
    budget: Budget,
    actor: str,
    request_id: str,
    before: Any = None,
    after: Any = None,
) -> None:
    audit.record(
        actor=actor,
        action=action,
        object_type="costs.budget",
        object_id=str(budget.pk),
        before=before,
        after=after,
        request_id=request_id,
    )
