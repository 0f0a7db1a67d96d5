"""Every error this package raises on purpose.

    SimPersonaError
    ├── ConfigError       a setting is wrong
    ├── ContractError     a table is not what the next stage was promised
    ├── SourceError       an input file cannot be used
    └── EpisodeError      one episode failed; recorded as its ending, never fatal to a run
        ├── StorefrontError   the store or the browser
        ├── ModelError        the language model
        └── ReplyError        the model answered, but not with a valid action

A message says what was found, what was expected, where (file, row, column), and what to do.
"""


class SimPersonaError(Exception):
    """Base of all errors that are meant for the user; the command line prints them without a trace."""


class ConfigError(SimPersonaError):
    """A setting has an unknown name, a wrong type or a value out of range."""


class ContractError(SimPersonaError):
    """A table misses columns, has wrong types, or breaks a rule of its contract."""


class SourceError(SimPersonaError):
    """An input file is missing, empty, or not in the format that was named."""


class EpisodeError(SimPersonaError):
    """One episode could not go on. Recorded with the episode; the run continues."""


class StorefrontError(EpisodeError):
    """The store or the browser failed: no answer, closed page, server error."""


class ModelError(EpisodeError):
    """The language model could not be asked or did not answer."""


class ReplyError(EpisodeError):
    """The model's answer is not valid JSON, or names no action that can be done on the page.

    `prompt_tokens` and `reply_tokens` are what it cost nevertheless, where that is known.
    """

    prompt_tokens = 0
    reply_tokens = 0
