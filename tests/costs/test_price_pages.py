"""The price book's pages: importing in two steps, and what it warns of."""

import datetime as dt
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from costs.models import Price
from costs.price_watch import price_ages
from devora_ops.common.models import AuditEntry
from tests.api.callers import as_person

pytestmark = pytest.mark.django_db

IMPORT = "/admin/costs/price/import/"
LIST = b"model,input,output\na/small,1.5,4\na/slip,0.000001,0.000004\n"


class Fields(HTMLParser):
    """Collects the inputs of a page, as (name, value)."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "input":
            given = dict(attrs)
            self.found.append((given.get("name"), given.get("value")))

    def value(self, name):
        return next(value for each, value in self.found if each == name)


@pytest.fixture
def editor():
    Price.objects.create(
        model="a/small",
        valid_from=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        input=Decimal("0.000001"),
        output=Decimal("0.000004"),
        source="list",
    )
    return as_person("Editor")


def upload(editor, content=LIST, unit="per_million"):
    file = SimpleUploadedFile("deal.csv", content)
    answer = editor.post(IMPORT, {"file": file, "unit": unit})
    assert answer.status_code == 200
    return answer.content.decode()


def confirm(editor, page, *accepted):
    form = {"list": Fields(page).value("list"), "accept": list(accepted)}
    return editor.post(IMPORT, form)


def imported():
    return set(Price.objects.filter(source="deal.csv").values_list("model", "input"))


def test_the_book_leads_to_the_import(editor):
    assert IMPORT in editor.get("/admin/costs/price/").content.decode()
    form = editor.get(IMPORT).content.decode()
    assert 'enctype="multipart/form-data"' in form


def test_the_preview_shows_what_would_change_and_writes_nothing(editor):
    page = upload(editor)
    for text in ("$1.00 → $1.50", "input +50.00%", "less than any model"):
        assert text in page
    assert ("accept", "a/slip") in Fields(page).found
    assert ("accept", "a/small") not in Fields(page).found
    assert not imported()


def test_what_was_shown_is_imported_once_it_is_confirmed(editor):
    page = upload(editor)
    refused = confirm(editor, page)
    assert "confirm the suspicious rows" in refused.content.decode()
    assert not imported()
    assert confirm(editor, page, "a/slip").status_code == 302
    assert imported() == {
        ("a/small", Decimal("0.0000015")),
        ("a/slip", Decimal("0.000000000001")),
    }
    entry = AuditEntry.objects.get(action="price.import")
    assert entry.after["confirmed"] == ["a/slip"]


def test_a_list_that_says_the_same_confirms_the_book(editor):
    Price.objects.exclude(model="a/small").delete()
    long_ago = timezone.now() - dt.timedelta(days=90)
    Price.objects.update(created_at=long_ago)
    assert [age.is_old(timezone.now()) for age in price_ages()] == [True]
    page = upload(editor, b"model,input,output\na/small,1,4\n")
    assert "Confirm these prices" in page
    assert confirm(editor, page).status_code == 302
    assert [age.is_old(timezone.now()) for age in price_ages()] == [False]
    (price,) = Price.objects.all()
    assert (price.created_at, price.source) == (long_ago, "list")


def test_a_list_with_an_invalid_row_offers_no_import(editor):
    page = upload(editor, LIST + b"a/bad,-1,<script>\n")
    assert "nothing to import" in page
    assert "<script>\n" not in page
    assert "not below zero" in page
    assert confirm(editor, page, "a/slip").status_code == 200
    assert not imported()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"model;input\na/s;1", "separated by commas"),
        (b"PK\x03\x04", "no other kind of file"),
        (b"x" * (2**20 + 1), "at most"),
    ],
)
def test_a_file_that_is_no_price_list_is_an_error_of_the_form(editor, content, words):
    page = upload(editor, content)
    assert words in page
    assert 'name="list"' not in page


@pytest.mark.parametrize("sealed", ["", "forged", "a:b:c", "\0"])
def test_a_list_that_was_not_shown_is_not_imported(editor, sealed):
    before = Price.objects.count()
    answer = editor.post(IMPORT, {"list": sealed, "accept": ["a/slip"]})
    assert answer.status_code == 302
    assert Price.objects.count() == before


def test_a_viewer_imports_nothing():
    viewer = as_person("Viewer")
    assert viewer.get(IMPORT).status_code == 403
    assert viewer.post(IMPORT, {"list": "x"}).status_code == 403
