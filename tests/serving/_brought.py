"""What a library gives for a name, waited for."""

from serving.library import Brought, Library


def brought(library: Library, name: str) -> Brought:
    return library.get(name).result(timeout=60)
