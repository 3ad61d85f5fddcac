"""What the zoo has of Ray: a cluster of this machine or one that runs already, and jobs in shards on it.

Nothing here knows a model, a question or a server.
"""
