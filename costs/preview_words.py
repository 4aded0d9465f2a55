"""What a preview says to people, in sentences."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from costs.previews import Preview
from costs.replay import Effect, Touched
from devora_ops.common import formats


def sentences(preview: Preview, *, zone: ZoneInfo, target: str) -> list[str]:
    """Return what a budget would have done, its steps in the order of percentages.

    zone: the budget's. target: where it routes calls down to.
    """
    return list(_sentences(preview, zone, target))


def _sentences(preview: Preview, zone: ZoneInfo, target: str) -> Iterator[str]:
    yield _traffic(preview, zone)
    reached: defaultdict[tuple[int, Effect], list[datetime]] = defaultdict(list)
    for period in preview.periods:
        for step in period.steps:
            reached[step.at, step.effect].append(step.when)
    for (at, effect), whens in sorted(reached.items()):
        values = {
            "at": formats.percent(at / 100, places=0),
            "when": date_format(
                timezone.localtime(whens[0], zone), "SHORT_DATETIME_FORMAT"
            ),
            "n": formats.count(len(whens)),
            "to": target,
        }
        yield _REACHED[effect](len(whens)) % values
        touched = _touched(preview, effect)
        if touched.calls:
            yield _effect(preview, effect, touched)
    if not reached:
        yield _("The budget would have done nothing.")
    if any(effect == "route_down" for _at, effect in reached):
        yield _("Calls that go elsewhere are counted with what they cost then.")


def _traffic(preview: Preview, zone: ZoneInfo) -> str:
    last = timezone.localtime(preview.end - timedelta(microseconds=1), zone)
    values = {
        "from": date_format(timezone.localtime(preview.start, zone), "DATE_FORMAT"),
        "to": date_format(last, "DATE_FORMAT"),
        "n": formats.count(preview.calls),
        "usd": formats.money(preview.cost_usd),
    }
    if not preview.calls and not preview.cost_usd:
        return _("From %(from)s to %(to)s, no call fell under this budget.") % values
    return (
        ngettext(
            "From %(from)s to %(to)s, %(n)s call fell under this budget: %(usd)s.",
            "From %(from)s to %(to)s, %(n)s calls fell under this budget: %(usd)s.",
            preview.calls,
        )
        % values
    )


def _warned(periods: int) -> str:
    return ngettext(
        "It would have warned at %(at)s on %(when)s.",
        "It would have warned at %(at)s in %(n)s periods, first on %(when)s.",
        periods,
    )


def _routed_down(periods: int) -> str:
    return ngettext(
        "From %(at)s on, it would have routed calls down to %(to)s: on %(when)s.",
        "From %(at)s on, it would have routed calls down to %(to)s: in %(n)s periods, "
        "first on %(when)s.",
        periods,
    )


def _left_to_cache(periods: int) -> str:
    return ngettext(
        "From %(at)s on, it would have given cached answers only: on %(when)s.",
        "From %(at)s on, it would have given cached answers only: in %(n)s periods, "
        "first on %(when)s.",
        periods,
    )


def _blocked(periods: int) -> str:
    return ngettext(
        "It would have refused calls at its limit on %(when)s.",
        "It would have refused calls at its limit in %(n)s periods, first on %(when)s.",
        periods,
    )


_REACHED: Final[dict[Effect, Callable[[int], str]]] = {
    "warn": _warned,
    "route_down": _routed_down,
    "cache_only": _left_to_cache,
    "block": _blocked,
}


def _touched(preview: Preview, effect: Effect) -> Touched:
    return {
        "route_down": preview.routed_down,
        "cache_only": preview.cache_only,
        "block": preview.refused,
    }.get(effect, Touched())


def _effect(preview: Preview, effect: Effect, touched: Touched) -> str:
    if effect == "route_down":
        told = ngettext(
            "That is %(n)s call (%(share)s), which cost %(usd)s.",
            "That is %(n)s calls (%(share)s), which cost %(usd)s.",
            touched.calls,
        )
    else:
        told = ngettext(
            "It would have refused %(n)s call (%(share)s), which cost %(usd)s.",
            "It would have refused %(n)s calls (%(share)s), which cost %(usd)s.",
            touched.calls,
        )
    return told % {
        "n": formats.count(touched.calls),
        "share": formats.percent(preview.share(touched)),
        "usd": formats.money(touched.usd),
    }
