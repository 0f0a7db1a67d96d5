"""`python -m simpersona`: the command line."""

from simpersona.cli import main

main()
