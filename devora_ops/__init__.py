"""Devora Ops: the one place that every AI agent's model call goes through."""

__version__ = "0.1.0"
