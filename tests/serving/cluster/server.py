"""`medzoo serve` by this checkout's own code, whatever else is installed."""

from serving.cli.serve import serve

if __name__ == "__main__":
    serve()
