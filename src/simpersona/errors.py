"""Every error this package raises on purpose.

    SimPersonaError
    ├── ConfigError       a setting is wrong
    ├── ContractError     a table breaks its contract
    │   └── GeneralPathError  the fast path cannot take the table, and the general one can
    ├── SourceError       an input file cannot be used
    └── EpisodeError      one visit failed; recorded as its ending, never fatal to a run
        ├── StorefrontError   the store or the browser failed
        │   ├── ChallengeError    the store keeps bots out
        │   └── BusyStoreError    the store asks to come back later than the visit may wait
        ├── ModelError        the language model failed
        └── ReplyError        the model's reply is not a valid action

A message says what was found, what was expected, where (file, row, column), and what to do.
"""


class SimPersonaError(Exception):
    """Base of all errors that are meant for the user; the command line prints them without a traceback."""


class ConfigError(SimPersonaError):
    """A setting has an unknown name, a wrong type or a value out of range."""


class ContractError(SimPersonaError):
    """A table misses columns, has wrong types, or breaks a rule of its contract."""


class GeneralPathError(ContractError):
    """The compiled path does not take a log that the general path can read. The message says what is in the way."""


class SourceError(SimPersonaError):
    """An input file is missing, empty, or not in the configured format."""


class EpisodeError(SimPersonaError):
    """One visit could not continue. The error is recorded with the visit, and the run continues."""


class StorefrontError(EpisodeError):
    """The store or the browser failed: no answer, closed page, server error."""


class ChallengeError(StorefrontError):
    """The store asks whether its visitor is a human, or refuses it as a bot."""


class BusyStoreError(StorefrontError):
    """The store asks to come back later (429, or 503 with Retry-After), and the visit may not wait that long."""


class ModelError(EpisodeError):
    """The language model could not be reached or did not answer."""


class ReplyError(EpisodeError):
    """The model's reply is not valid JSON, or names no action that is possible on the page.

    `prompt_tokens` and `reply_tokens` count the tokens that the failed request used; 0 if unknown.
    """

    prompt_tokens = 0
    reply_tokens = 0
