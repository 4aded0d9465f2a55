"""The dashboard's pages and the panels they are made of."""

from django.urls import URLPattern

app_name = "dashboard"
urlpatterns: list[URLPattern] = []
