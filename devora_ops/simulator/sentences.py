"""What ordinary models say: sentences about software work, as one-token pieces.

A piece is a word with the space before it, or a punctuation mark: one token each, which
is never more than a real tokenizer counts.
"""

import re
from collections.abc import Sequence
from random import Random

_PIECE = re.compile(r" ?[\w'’-]+|\s?[^\w\s]|\s+")

_PARAGRAPH = 4

_PLAIN = """\
The build fails because the lock file was written for another Python version.
I would start with the slow query: it scans the whole table for every page view.
Move the retry into the client, so that each caller does not have to remember it.
Two of the three tests only pass when they run in this order.
The new index halves the time of the search, at the price of slower writes.
Nothing in this change needs a migration, but the next one will.
Check the logs of the worker first; the queue itself looks healthy.
The customer was charged twice because the webhook was delivered twice.
A feature flag would let us ship this today and switch it on next week.
Please rotate the key, then look for it in the history of the repository.
The function does three things and its name mentions only one of them.
Caching the answer for a minute removes nine tenths of the load.
The time zone is lost when the date is stored without an offset.
I could not reproduce the crash with the steps in the report.
Rolling back is safe: the previous release still understands the new column.
The memory grows by two megabytes an hour, which points to the session store.
Write the failing test before you touch the parser.
The two services disagree about what an empty list means.
Your invoice shows the annual plan, so the monthly price does not apply.
We should answer within a day, even if the answer is that we are still looking.
The error message tells the user what happened, but not what to do next.
Pin the version for now and open an issue with the maintainers.
The deployment stopped half-way because the health check timed out.
There is no need to lock the row here, since only one process writes it.
The nightly job finished at four and processed every file.
The endpoint accepts a negative quantity, which the database then refuses.
Split the pull request in two: the rename first, the new behaviour after it.
The dashboard counts retries as calls, hence the jump on Tuesday.
I found no reason for the extra copy of the list.
Ask for the request identifier; with it we can find the exact call.
The documentation promises an order that the code does not guarantee.
An upload above ten megabytes is cut off by the proxy, not by us.
The password reset link expires after an hour and works once.
Both branches of the condition return the same value.
The sample is too small to call the difference real.
A longer timeout would hide the problem rather than solve it.
The model answers from the second paragraph and ignores the table below it.
Every figure in the report comes from the same snapshot.
The ticket can be closed once the customer confirms that the export works.
Reading the file once and keeping the result is simpler and faster.
Nobody has used the old export since the spring, so it can go."""

_ACCENTED = """\
Le café de l’équipe est fermé, donc la réunion d’été a lieu à Orléans.
La tâche a échoué : « délai dépassé » après dix essais répétés ✅.
Das Büro prüft die Größe der Datei, bevor es die Änderung übernimmt.
検索が遅いので、索引を作り直しました 🚀.
El año próximo habrá otra versión; mañana empieza la migración."""


def _pieces(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_PIECE.findall(line)) for line in text.splitlines())


_LINES = _PLAIN.splitlines()
PLAIN = _pieces(_PLAIN)
ACCENTED = _pieces(_ACCENTED)


def compose(
    count: int, dice: Random, *, among: Sequence[Sequence[str]] = PLAIN
) -> list[str]:
    """Return whole sentences of at least `count` pieces, in paragraphs of a few."""
    pieces: list[str] = []
    # Both lists have a prime length, so that any stride visits every sentence.
    at, stride = dice.randrange(len(among)), dice.randrange(1, len(among))
    said = 0
    while len(pieces) < count:
        first, *rest = among[at]
        pieces.append(_spaced(first, said))
        pieces.extend(rest)
        at = (at + stride) % len(among)
        said += 1
    return pieces


def paragraph(sentences: int, dice: Random) -> str:
    """Return so many sentences in one paragraph; quicker than compose."""
    at, stride = dice.randrange(len(_LINES)), dice.randrange(1, len(_LINES))
    return " ".join(_LINES[(at + i * stride) % len(_LINES)] for i in range(sentences))


def _spaced(word: str, said: int) -> str:
    if not said:
        return word
    return f" {word}" if said % _PARAGRAPH else f"\n\n{word}"
