"""Alerts: which steps of a budget were crossed, who is told of it, and how."""
