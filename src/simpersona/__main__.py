"""`python -m simpersona`: the command line."""

from simpersona.cli.main import main

main()
