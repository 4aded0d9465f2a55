"""Models in numbers, and what people decide of them: waited for once, not one by one."""

import datetime as dt
import uuid
from collections.abc import Iterable
from decimal import Decimal

from tests.chaos.installation import ChaosInstallation

PRICES = {"input": "0.000001", "output": "0.00001"}


def tagged(words: str) -> str:
    """Return a model's name that no other scenario uses."""
    return f"sim-{words}-tag-{uuid.uuid4().hex[:8]}"


def provide(
    staged: ChaosInstallation,
    words: Iterable[str],
    *,
    provider: str = "",
    forced_closed: bool = False,
    bulkhead_size: int | None = None,
) -> list[str]:
    """Make a priced model of the simulator for each behaviour; return their names.

    provider: without one, they have a new one for themselves. forced_closed: they are
    asked whatever their breakers say. bulkhead_size: of that provider.
    """
    names = [tagged(each) for each in words]
    with staged.orm():
        from costs.models import Price
        from llm.models import Breaker, Provider
        from llm.services import model_ensure, provider_ensure

        slug = provider or f"provider-{uuid.uuid4().hex[:8]}"
        if not provider:
            provider_ensure(
                slug=slug,
                kind="compatible",
                base_url=staged.simulator.openai_url,
                secret="x",
                from_environment=True,
            )
        row = Provider.objects.get(slug=slug)
        if bulkhead_size is not None:
            Provider.objects.filter(pk=row.pk).update(bulkhead_size=bulkhead_size)
        for name in names:
            model = f"{slug}/{name}"
            rates = {kind: Decimal(usd) for kind, usd in PRICES.items()}
            staged.rates[model] = rates
            model_ensure(provider=row, name=name)
            Price.objects.create(
                model=model, valid_from=dt.datetime.now(dt.UTC), source="test", **rates
            )
            if forced_closed:
                Breaker.objects.create(target=model, forced="closed")
    staged.catch_up()
    return [f"{slug}/{name}" for name in names]
