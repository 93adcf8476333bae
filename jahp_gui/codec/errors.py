"""Errors a user can cause, each carrying one complete sentence: which file, what is wrong, what to do.

The command line prints the sentence and exits with 2; the GUI shows it in its message bar.
Anything that is not a `JahpError` is a bug in this program.
"""

import os
from collections.abc import Mapping


def printable(text: str | os.PathLike[str]) -> str:
    """A file name, or text out of a file, that any terminal can show and that stays on one line."""
    return "".join(character if character.isprintable() else "?" for character in os.fspath(text))


class JahpError(Exception):
    """Base of every error a user can cause; `str(error)` is one sentence fit to be shown as it is."""


class ImageError(JahpError):
    """An input image cannot be read or written."""


class ImageTooLargeError(JahpError):
    """An image or a file header declares more pixels than the limit allows."""


class ContainerError(JahpError):
    """Base of everything that can be wrong with a `.jahp` file itself."""


class UnreadableFileError(ContainerError):
    """The operating system does not let us read the file."""


class NotAJahpFileError(ContainerError):
    """The data does not start with the magic bytes of the format."""


class UnsupportedVersionError(ContainerError):
    """The file was written by a newer version of the format."""


class TruncatedFileError(ContainerError):
    """The file ends before its header says it should."""


class TrailingBytesError(ContainerError):
    """The file goes on after the end that its header declares."""


class ChecksumError(ContainerError):
    """The checksum of the whole file does not agree with its bytes."""


class InvalidHeaderError(ContainerError):
    """A header field has a value that the format does not allow."""


class DigestError(ContainerError):
    """The decoded latents are not those that the encoder wrote."""


class ModelError(JahpError):
    """A model is missing, damaged, or not the one that a file was made with."""


class UnknownModelError(ModelError):
    """No installed model has the name asked for."""


class ModelMismatchError(ModelError):
    """A model of that name is installed, but its weights are not those the file was made with."""


class NoRoomError(ImageError):
    """A format has no room for an image of this size."""


class OutputError(JahpError):
    """A result cannot be written: it exists already, the folder is missing or read-only, the disk is full."""


class UsageError(JahpError):
    """Arguments that contradict each other or lie outside their range."""


def cause(error: Exception, known: Mapping[int, str] | None = None) -> str:
    """Why an operating system call failed, in words for the middle of a sentence."""
    if not isinstance(error, OSError):
        return str(error)
    return (known or {}).get(error.errno or 0) or error.strerror or str(error)
