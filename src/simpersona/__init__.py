"""SimPersona: from the raw clickstream of online stores to a population of simulated buyers."""

__version__ = "0.1.0"
