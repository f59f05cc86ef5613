"""`python -m sitehub.cli`."""

from sitehub.cli import main

main()
