"""Columns that several tables have."""

from typing import Any

from django.db import models


def slug(label: Any, **options: Any) -> "models.TextField[str, str]":
    """A name from another floor, without a foreign key to it; may be empty."""
    return models.TextField(label, default="", blank=True, **options)


def usd(label: Any = None, **options: Any) -> "models.DecimalField[Any, Any]":
    """An amount of money in nine places."""
    return models.DecimalField(label, max_digits=20, decimal_places=9, **options)


def rate(label: Any) -> "models.DecimalField[Any, Any]":
    """A price of one unit. Prices go below nine places, so the column has twelve more."""
    return models.DecimalField(
        label, max_digits=30, decimal_places=18, null=True, blank=True
    )
