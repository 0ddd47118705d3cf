"""Stand for heavy libraries that an older Open WebUI imports and no test touches.

Versions before 0.11 know no slim mode: they import their libraries for documents, vectors
and languages whether they use them or not. This file goes into their environment, beside
a .pth file that imports it at every start. Whatever is installed is found first; of what is
not, only the libraries named here are stood for, and every name in them is a class that can
be made, called and inherited from, and does nothing.
"""

import importlib.abc
import importlib.machinery
import sys
import types

ABSENT = frozenset(
    "azure chromadb ddgs fpdf google huggingface_hub langchain_community nltk sentence_transformers torch transformers websocket".split()
)


class Anything:
    """Take whatever is done to it and be another of its kind."""

    def __init__(self, *args, **kwargs):
        """Take anything."""

    def __call__(self, *args, **kwargs):
        """Answer another of its kind."""
        return Anything()

    def __getattr__(self, name):
        """Have every attribute but those by which Python asks what something is."""
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()


class Absent(types.ModuleType):
    """A module in which every name stands for a class."""

    def __getattr__(self, name):
        """Make the class when it is first asked for, and keep it."""
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Anything,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Find what nobody else has found and is named above."""

    def find_spec(self, fullname, path=None, target=None):
        """Answer where a module comes from, or nothing."""
        if fullname.partition(".")[0] not in ABSENT:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        """Make the module."""
        return Absent(spec.name)

    def exec_module(self, module):
        """Run nothing."""


sys.meta_path.append(Finder())
