"""Fill the price book with the published prices that ship with the product."""

from django.db import migrations

from costs.price_table import all_prices


def add_prices(apps, schema_editor):
    price = apps.get_model("costs", "Price")
    price.objects.bulk_create(
        (price(**fields) for fields in all_prices()),
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("costs", "0003_reserve_and_release")]
    operations = [migrations.RunPython(add_prices, migrations.RunPython.noop)]
