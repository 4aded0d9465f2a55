"""Adapters: how each kind of provider is asked, and how its answers are read."""
