"""`python -m volunteer_api.cli`."""

from volunteer_api.cli import main

main()
