"""An explained bill as rows with bars: from what was spent to what is."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from costs.bill_links import links
from costs.bills import Explained
from costs.explaining import Term
from devora_ops.common import formats
from devora_ops.dashboard.two_periods import Days, TwoPeriods

Way = Literal["total", "up", "down", "same"]

LABELS: Final[dict[str, str | Promise]] = {
    "price": gettext_lazy("Price"),
    "volume": gettext_lazy("Volume"),
    "model_mix": gettext_lazy("Model mix"),
    "input_length": gettext_lazy("Input length"),
    "output_length": gettext_lazy("Output length"),
    "cache": gettext_lazy("Cache"),
    "retries": gettext_lazy("Retries and fallbacks"),
    "experiments": gettext_lazy("Experiments"),
    "embeddings": gettext_lazy("Embeddings"),
    "repricing": gettext_lazy("Repricing"),
}
SENTENCES: Final[dict[str, str | Promise]] = {
    "price_up": gettext_lazy("The same usage costs more at the new prices."),
    "price_down": gettext_lazy("The same usage costs less at the new prices."),
    "volume_up": gettext_lazy("More calls were answered."),
    "volume_down": gettext_lazy("Fewer calls were answered."),
    "model_mix_up": gettext_lazy("Calls moved to dearer models."),
    "model_mix_down": gettext_lazy("Calls moved to cheaper models."),
    "input_length_up": gettext_lazy("More tokens went in with each call."),
    "input_length_down": gettext_lazy("Fewer tokens went in with each call."),
    "output_length_up": gettext_lazy("Answers were longer."),
    "output_length_down": gettext_lazy("Answers were shorter."),
    "cache_up": gettext_lazy("Caches spared less: ours, or the provider's."),
    "cache_down": gettext_lazy("Caches spared more: ours, or the provider's."),
    "retries_up": gettext_lazy("Failed and repeated attempts cost more."),
    "retries_down": gettext_lazy("Failed and repeated attempts cost less."),
    "experiments_up": gettext_lazy("Calls of experiments cost more."),
    "experiments_down": gettext_lazy("Calls of experiments cost less."),
    "embeddings_up": gettext_lazy("Embedding models cost more."),
    "embeddings_down": gettext_lazy("Embedding models cost less."),
    "repricing_up": gettext_lazy("Adjustments posted since added more."),
    "repricing_down": gettext_lazy("Adjustments posted since took off more."),
}
_UNCHANGED: Final = gettext_lazy("Made no difference.")
# Of next to nothing, everything is a thousandfold.
_LARGEST_SHARE: Final = Decimal(10)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. left, width: of its bar, in hundredths of the longest."""

    label: str | Promise
    sentence: str | Promise
    amount: str
    share: str
    way: Way
    left: str
    width: str
    url: str = ""
    url_before: str = ""


def rows(found: Explained, periods: TwoPeriods) -> list[Row]:
    """Return the lines: the period before, what changed it, and the one after."""
    before, after = found.before.bill.total_usd, found.after.bill.total_usd
    steps = [before]
    for term in found.terms:
        steps.append(steps[-1] + term.amount_usd)
    longest = max(*steps, after) or Decimal(1)
    return [
        _total(_("Before"), periods.days_before, before, longest),
        *_terms(found, steps, longest),
        _total(_("After"), periods.days_after, after, longest),
    ]


def caption(found: Explained, periods: TwoPeriods) -> str:
    """Return what changed, in a sentence."""
    difference = found.difference_usd
    values = {
        "after": days_text(periods.days_after),
        "spent": formats.money(found.after.bill.total_usd),
        "before": days_text(periods.days_before),
        "difference": formats.money(abs(difference)),
    }
    if not difference:
        told = _("%(after)s: %(spent)s, as much as %(before)s.")
    elif difference > 0:
        told = _("%(after)s: %(spent)s, %(difference)s more than %(before)s.")
    else:
        told = _("%(after)s: %(spent)s, %(difference)s less than %(before)s.")
    return told % values


def days_text(days: Days) -> str:
    """Return a period of days, as dates are written here."""
    ends = dict.fromkeys((days.first, days.last))
    return " – ".join(date_format(day, "SHORT_DATE_FORMAT") for day in ends)


def _total(label: str, days: Days, amount: Decimal, longest: Decimal) -> Row:
    width = _place(amount, longest)
    money = formats.money(amount)
    return Row(
        label, days_text(days), money, "", "total", _place(Decimal(), longest), width
    )


def _terms(found: Explained, steps: list[Decimal], longest: Decimal) -> Iterator[Row]:
    for term, start in zip(found.terms, steps, strict=False):
        end = start + term.amount_usd
        yield Row(
            label=LABELS[term.name],
            sentence=SENTENCES.get(term.sentence, _UNCHANGED),
            amount=_signed(term.amount_usd),
            share=_share(term, found.difference_usd),
            way=_way(term.amount_usd),
            left=_place(min(start, end), longest),
            width=_place(abs(term.amount_usd), longest),
            url=links(found.after.period, term).page,
            url_before=links(found.before.period, term).page,
        )


def _way(amount: Decimal) -> Way:
    return "up" if amount > 0 else "down" if amount else "same"


def _signed(amount: Decimal) -> str:
    money = formats.money(amount)
    return f"+{money}" if amount > 0 else money


def _share(term: Term, difference: Decimal) -> str:
    if not difference or not term.amount_usd:
        return ""
    share = term.amount_usd / difference
    return formats.percent(float(share)) if abs(share) < _LARGEST_SHARE else ""


def _place(amount: Decimal, longest: Decimal) -> str:
    # As SVG writes numbers, whatever the language.
    return f"{amount / longest * 100:.3f}"
