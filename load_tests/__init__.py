"""What the gateway costs, in numbers, beside a bare server: `python -m load_tests --help`, or `scripts/load`.

Everything runs on this machine, on loopback, bounded in number and time, and ends with the command.
"""
