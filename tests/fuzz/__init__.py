"""Fuzzing: parsers of what strangers write, each given inputs that were mutated at random. See CONTRIBUTING."""
