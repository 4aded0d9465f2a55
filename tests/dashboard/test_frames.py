"""What browsers send on the socket: the catalogue's frames and what they cost."""

import pytest

from devora_ops.dashboard.filters import Scope
from devora_ops.dashboard.frames import BadFrame, Frame, parse

TOPICS = '"topics":["calls"]'
REFUSED = {
    "F025": ("", "invalid_json"),
    "broken": ("{", "invalid_json"),
    "null": ("null", "invalid_json"),
    "a list": ("[]", "invalid_json"),
    "F031": ('{"a":' + "9" * 5000 + "}", "invalid_json"),
    "F032": ('{"a":NaN}', "invalid_json"),
    "F036": ("{}", "missing_type"),
    "F037": ('{"type":5}', "invalid_type"),
    "F038": ('{"type":"nope"}', "unknown_type"),
    "F039": ('{"type":"websocket.disconnect"}', "unknown_type"),
    "F041": ('{"type":"subscribe"}', "missing_topic"),
    "F043": (r'{"type":"subscribe","topics":["a\u0000"]}', "nul_character"),
    "F045": ('{"type":"subscribe","topics":["*"]}', "invalid_topic"),
    "F046": ('{"type":"subscribe","topics":["../b"]}', "invalid_topic"),
    "F047": (f'{{"type":"subscribe","topics":["{"a" * 10_000}"]}}', "invalid_topic"),
    "F050": (
        '{"type":"subscribe","topics":[' + ",".join(['"calls"'] * 1000) + "]}",
        "too_many_topics",
    ),
    "F054": (f'{{"type":"subscribe",{TOPICS},"since":"abc"}}', "invalid_since"),
    "F055": (f'{{"type":"subscribe",{TOPICS},"since":{2**64}}}', "invalid_json"),
    "a negative since": (
        f'{{"type":"subscribe",{TOPICS},"since":-1}}',
        "invalid_since",
    ),
    "a true since": (f'{{"type":"subscribe",{TOPICS},"since":true}}', "invalid_since"),
    "F061": (
        f'{{"type":"subscribe",{TOPICS},"filters":' + "[" * 100 + "]" * 100 + "}",
        "too_deep",
    ),
    "F062": (
        f'{{"type":"subscribe",{TOPICS},"filters":{{"model":{{"$ne":1}}}}}}',
        "invalid_filter",
    ),
    "F068": (f'{{"type":"subscribe",{TOPICS},"x":1}}', "unknown_field"),
    "F070": ('{"type":"subscribe","type":"subscribe"}', "duplicate_key"),
    "a filter nobody has": (
        f'{{"type":"subscribe",{TOPICS},"filters":{{"password":["a"]}}}}',
        "invalid_filter",
    ),
    "an unsubscribe with filters": (
        f'{{"type":"unsubscribe",{TOPICS},"filters":{{}}}}',
        "unknown_field",
    ),
}


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED)
def test_a_bad_frame_is_refused_with_its_code(text, code):
    with pytest.raises(BadFrame) as caught:
        parse(text)
    assert caught.value.code == code
    assert len(caught.value.message) < 200


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(BadFrame):
        parse('{"type":"\udc00"}')


def test_a_subscription_carries_the_pages_filters():
    text = (
        '{"type":"subscribe","topics":["calls","kpi","calls"],"since":7,'
        '"filters":{"agent":["bot","!old"],"model":[]}}'
    )
    assert parse(text) == Frame(
        "subscribe", frozenset({"calls", "kpi"}), Scope(agent=("bot", "!old")), 7
    )
