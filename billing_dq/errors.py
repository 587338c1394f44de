"""What can go wrong at an edge, as one clear line that says what to do next and holds no secret."""

import errno


class SourceError(RuntimeError):
    """A source cannot be read (or written); trying again unchanged will not help."""


class PlaceError(SourceError):
    """A directory, or a place in a store, did not take what was put there.

    Attributes:
        strerror: the reason in the words of the system or the store, as `OSError` has it.
    """

    def __init__(self, place: str, error: Exception, elsewhere: str) -> None:
        self.strerror = getattr(error, "strerror", None) or str(error) or type(error).__name__
        is_full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        what = f"{place} is full" if is_full else f"{place} cannot be written"
        super().__init__(f"{what}: {self.strerror}; {'make room there, or ' if is_full else ''}{elsewhere}")


class TransientSourceError(SourceError):
    """A source cannot be read (or written) right now; trying again may help."""


class SettingsError(ValueError):
    """The settings cannot be used; the message is one line with the file or variable, the key and the reason."""
