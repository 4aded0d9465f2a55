"""What a spreadsheet makes of a text in a CSV file."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Return a text that no spreadsheet runs: a name may begin like a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
