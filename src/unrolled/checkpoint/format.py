"""What the files of a run hold: sealed JSON documents and safetensors, both readable without torch.

A sealed file carries the SHA-256 of its own content, so that a changed file is refused and never half believed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from unrolled.checkpoint import atomic
from unrolled.errors import CheckpointError

FORMAT = 1
Tensors = Mapping[str, NDArray[Any]]
# what reading bytes that are no file of tensors raises
_UNREADABLE = (SafetensorError, LookupError, TypeError, ValueError, AttributeError, RecursionError)


def write_document(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain data as a sealed JSON file."""
    atomic.write(path, document_bytes(content))


def document_bytes(content: Mapping[str, Any]) -> bytes:
    """A sealed JSON document as bytes: the content, the version of the format, and the hash of both."""
    document = {"format": FORMAT, **content}
    text = json.dumps({**document, "sha256": _seal(document)}, ensure_ascii=False, indent=1)
    # a lone surrogate (a byte that is no UTF-8) may stand in a path or prompt; JSON writes it as an escape
    return text.encode("utf-8", "backslashreplace") + b"\n"


def plain(value: Any, instead: Callable[[float], Any] = str) -> Any:
    """Plain data in which something stands ``instead`` of a number that is not finite, as JSON knows none.

    >>> plain({"loss": float("nan"), "norms": (1.0, float("inf"))})
    {'loss': 'nan', 'norms': [1.0, 'inf']}
    """
    if isinstance(value, Mapping):
        return {name: plain(each, instead) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, instead) for each in value]
    return instead(value) if isinstance(value, float) and not math.isfinite(value) else value


def read_document(path: Path) -> dict[str, Any]:
    """The content of a sealed JSON file; raises CheckpointError if it is missing, changed or of another version."""
    data = read_bytes(path)
    try:
        document = json.loads(data)
        if not isinstance(document, dict):
            raise CheckpointError(f"{path} is damaged: it holds no JSON object")
        found, expected = document.pop("sha256", None), _seal(document)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: it is no JSON ({error})") from error
    _check_version(path, document.get("format"))
    if found != expected:
        raise CheckpointError(f"{path} was changed since it was written: its content does not match its sha256")
    del document["format"]
    return document


def seal(content: Mapping[str, Any]) -> str:
    """The hash that a document with this content carries."""
    return _seal({"format": FORMAT, **content})


def tensor_bytes(tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> bytes:
    """Tensors and plain data as sealed safetensors bytes."""
    arrays = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    about = {"format": FORMAT, **(metadata or {})}
    sealed = json.dumps({**about, "sha256": _tensor_seal(arrays, about)}, sort_keys=True)
    # one entry only: safetensors writes several in random order, and equal runs shall be equal files
    return safetensors.numpy.save(arrays, {"unrolled": sealed})


def parse_tensors(data: bytes, path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Tensors and plain data of ``tensor_bytes``; raises CheckpointError, with the reason, for any other bytes."""
    try:
        arrays = safetensors.numpy.load(data)
        about = _about(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]))
        version, found, expected = about["format"], about.pop("sha256"), _tensor_seal(arrays, about)
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} is damaged: {error or type(error).__name__}") from error
    _check_version(path, version)
    if found != expected:
        raise CheckpointError(f"{path} was changed since it was written: its content does not match its sha256")
    return arrays, {name: value for name, value in about.items() if name != "format"}


def check_length(path: Path) -> None:
    """Refuse a tensor file that was cut, and one without a header, without reading its tensors.

    Raises:
        CheckpointError: it is damaged, or missing.
    """
    try:
        with path.open("rb") as file:
            whole, length = path.stat().st_size, int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < whole else {}
        _about(header)
        expected = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except OSError as error:
        raise unreadable(path, error) from error
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} is damaged: it has no header") from error
    if whole != expected:
        raise CheckpointError(f"{path} is damaged: it has {whole} bytes and should have {expected}")


def read_tensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Tensors and plain data of a file that ``tensor_bytes`` made."""
    return parse_tensors(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file of the run, or CheckpointError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """The error of a file that is missing or that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return CheckpointError(f"{path} is missing")
    return CheckpointError(f"{path} cannot be read: {error.strerror or error}")


def _about(header: Any) -> Any:
    """The plain data in the header of a tensor file, of which the tensors' own remain."""
    return json.loads(header.pop("__metadata__")["unrolled"])


def _check_version(path: Path, version: object) -> None:
    if version != FORMAT:
        raise CheckpointError(
            f"{path} has format {version!r}, and this version of unrolled reads format {FORMAT}: "
            "read it with the version that wrote it"
        )


def _seal(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _tensor_seal(arrays: Tensors, about: Mapping[str, Any]) -> str:
    """The hash of names, types, shapes, values and the plain data; the order in the file does not matter."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
