"""The verbs that make adapters, one file each. They load nothing heavy before they run."""
