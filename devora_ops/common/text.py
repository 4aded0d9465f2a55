"""What a text may hold before it is stored: rules for names and for longer texts."""

import unicodedata

NAME_LENGTH = 100
TEXT_LENGTH = 100_000

# They turn the direction of everything that follows, also of what is not theirs.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_BREAKS = frozenset("\u2028\u2029")
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


class TextRefused(ValueError):
    """A text that must not be stored; code is for programs, message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check_text(text: str, *, max_length: int = TEXT_LENGTH) -> None:
    """Refuse what no database and no UTF-8 can carry; line breaks are welcome."""
    if len(text) > max_length:
        raise TextRefused("max_length", f"At most {max_length} characters.")
    if "\0" in text:
        raise TextRefused("nul_character", "The NUL character is not allowed.")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise TextRefused("surrogate", "Half of a surrogate pair is not allowed.")


def clean_name(text: str, *, max_length: int = NAME_LENGTH) -> str:
    """Return a one-line name without the spaces around it, or raise TextRefused.

    Emoji with joiners, markup and any language pass as they are; what could break a
    line, a terminal or the reading direction does not.
    """
    check_text(text, max_length=max_length)
    if any(_is_control(letter) for letter in text):
        raise TextRefused("control_character", "Control characters are not allowed.")
    if is_blank(text):
        raise TextRefused("blank", "At least one visible character is needed.")
    return text.strip()


def is_blank(text: str) -> bool:
    """Say whether nothing of a text can be seen."""
    return all(unicodedata.category(letter) in _INVISIBLE for letter in text)


def _is_control(letter: str) -> bool:
    return (
        unicodedata.category(letter) == "Cc"
        or letter in _BIDI_CONTROLS
        or letter in _LINE_BREAKS
    )
