"""What stops an installation from starting, said in one sentence."""


class InstallationError(Exception):
    """Its text is one sentence for the person at the terminal: what, and the remedy."""
