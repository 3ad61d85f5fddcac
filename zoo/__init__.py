"""What we have and how good it is: bases, data sets, adapters, their evaluation, and the Hub."""
