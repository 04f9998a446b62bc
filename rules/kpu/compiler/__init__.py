"""A restatement of what nncase 1.9 does to a network for the K210, pass by pass."""
