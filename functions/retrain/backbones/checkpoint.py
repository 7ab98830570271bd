"""PyTorch checkpoints without PyTorch: a zip of raw storages, and a pickle of their shapes."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.errors import BadBackbone

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, np.dtype[Any]]

_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
# What a zip archive or a pickle that is something else, or damaged, makes Python raise.
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
)


def read_checkpoint(content: bytes) -> dict[str, Array]:
    """The tensors of a state dict in a ``.pt`` file, by name; raises BadBackbone.

    A pickle may run anything; this one may build nothing but contiguous tensors in a dict.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            return dict(_Unpickler(archive, pickled.removesuffix("data.pkl")).load())
    except _FAULTS as error:
        raise BadBackbone(f"This is no PyTorch checkpoint of plain tensors: {error}.") from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        """The only names that a state dict needs."""
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it wants {module}.{name}")

    def persistent_load(self, pid: Any) -> Array:
        """A storage, flat."""
        _, dtype, key, _, size = pid
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), dtype, count=size)


def _tensor(
    storage: Array, offset: int, shape: Sequence[int], strides: Sequence[int], *_: Any
) -> Array:
    size = math.prod(shape)
    tensor = storage[offset : offset + size].reshape(shape)
    if tensor.size > 1 and any(
        stride * tensor.itemsize != own and length > 1
        for stride, own, length in zip(strides, tensor.strides, shape, strict=True)
    ):
        raise pickle.UnpicklingError("a tensor in it is not contiguous")
    return tensor
