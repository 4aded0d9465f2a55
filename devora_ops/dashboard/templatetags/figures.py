"""Numbers and addresses in the dashboard's templates."""

from django import template

from devora_ops.common import formats
from devora_ops.dashboard.filters import View

register = template.Library()
register.filter("compact", formats.compact)
register.filter("count", formats.count)
register.filter("money", formats.money)
register.filter("exact_money", formats.exact_money)
register.filter("per_million", formats.per_million)
register.filter("signed_percent", formats.signed_percent)
register.filter("latency", formats.latency)


@register.simple_tag
def with_range(view: View, name: str) -> str:
    """Return the query string of the same page over another range."""
    return view.query(range=name)


@register.simple_tag
def unfiltered(view: View) -> str:
    """Return the query string of the same page without its filters."""
    return view.unfiltered()
