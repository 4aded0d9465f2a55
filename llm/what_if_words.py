"""What a what-if says of itself in sentences: how it was found, and what it takes for granted."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from costs.sampling import GROUPS
from devora_ops.common import formats
from llm.route_replay import Draft
from llm.what_if_answers import Answer
from llm.what_if_cache import CacheAnswer
from llm.what_if_routes import RouteAnswer


def method(answer: Answer) -> str:
    """Return how the figures were found."""
    if answer.exact:
        return _("All of them were read: the figures are exact.")
    return _(
        "Estimated from %(sampled)s of %(population)s, drawn by a hash: what the drawn ones "
        "would have cost for each dollar that they did cost, times what all did cost. The "
        "95%% interval comes from %(groups)s random groups, with the finite population "
        "correction."
    ) % {
        "sampled": formats.count(answer.sampled),
        "population": formats.count(answer.population),
        "groups": GROUPS,
    }


def route_assumptions(draft: Draft, answer: RouteAnswer) -> list[str]:
    """Return what a replay of routes takes for granted."""
    told = [
        _(
            "The same tokens: another vendor's model would count and answer differently."
        ),
        _(
            "Retries and fallbacks happen as often as they did: every attempt that used "
            "tokens uses as many at the model that would have served it. Failed attempts "
            "that used none cost what they did."
        ),
        _("Attempts of which nobody knows the usage cost what they were charged."),
        _("A call that a budget had routed down counts for where it went."),
        _("What the cache answered costs nothing in both."),
        _(
            "Each attempt at the price in force when it began; before a model's first "
            "price, at that one."
        ),
        _("The standard service tier everywhere, without regional surcharges."),
        _("Audio tokens cost what text does."),
        _(
            "Whether a call needed tools, pictures or a response schema is not in the "
            "ledger: every model of the draft that chats can do what was asked."
        ),
        _("Every model of the draft is up whenever it is chosen."),
    ]
    if draft.strategy == "cheapest":
        told.append(
            _(
                "The cheapest is chosen for the usual length of an answer: the limit that a "
                "call asked for is not in the ledger."
            )
        )
    if any(target.conditions.get("metadata") for target in draft.targets):
        told.append(
            _(
                "The metadata of calls is not in the ledger: targets with a condition on it "
                "serve nobody here."
            )
        )
    if answer.unserved:
        told.append(
            ngettext(
                "%(n)s attempt that no target can serve costs what it did.",
                "%(n)s attempts that no target can serve cost what they did.",
                answer.unserved,
            )
            % {"n": formats.count(answer.unserved)}
        )
    if answer.unpriced:
        told.append(unpriced(answer))
    return told


def cache_assumptions(answer: CacheAnswer) -> list[str]:
    """Return what a replay of the cache takes for granted."""
    told = [
        _(
            "%(coverage)s of the calls have a fingerprint, by which equal requests are "
            "known; the figures are of those alone."
        )
        % {"coverage": formats.percent(answer.coverage)},
        _(
            "Equal is what the cache takes for equal: the whole request, the model or route "
            "it asked for, and the version of its prompt."
        ),
        _(
            "An answer is given again until its time is over, counted from when it was "
            "there; using it makes it no younger."
        ),
        _("The cache is empty when the period begins."),
        _(
            "Every answer that came to a proper end is kept, and none has to make room for "
            "another."
        ),
        _("No call asks for a fresh answer: the ledger does not say which ones did."),
        _(
            "A hit costs nothing. What was a hit and would be none costs what its answer "
            "had cost."
        ),
    ]
    if answer.in_blocks:
        told.append(
            _(
                "Requests are drawn with all of their calls. The very frequent ones are cut "
                "into blocks of time, of which some are read: what the cache held when one "
                "began is told by steady traffic, which may be a hit off in each."
            )
        )
    elif not answer.exact:
        told.append(
            _(
                "Requests are drawn with all of their calls; those that are very frequent "
                "are read whole."
            )
        )
    if answer.unpriced:
        told.append(unpriced(answer))
    return told


def unpriced(answer: Answer) -> str:
    """Return how many facts are left out because nobody knows what they cost."""
    return ngettext(
        "%(n)s more has no known cost and is in no figure.",
        "%(n)s more have no known cost and are in no figure.",
        answer.unpriced,
    ) % {"n": formats.count(answer.unpriced)}
