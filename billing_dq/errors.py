"""What can go wrong at an edge, as one clear line that says what to do next and holds no secret."""


class SourceError(RuntimeError):
    """A source cannot be read (or written); trying again unchanged will not help."""


class TransientSourceError(SourceError):
    """A source cannot be read (or written) right now; trying again may help."""


class SettingsError(ValueError):
    """The settings cannot be used; the message is one line with the file or variable, the key and the reason."""
