"""Writes and reads .pth files in both formats as torch.save and torch.load do, without torch.

The pickles come from Python's own pickler, given classes under torch's names, so what the tests feed to
convert_weights.py shares no code with it.
"""
import collections
import io
import math
import pickle
import struct
import sys
import types
import zipfile

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
ITEM_BYTES = {"Float": 4, "Double": 8, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2}


def stand_in(module, name, value):
    """Makes `value` importable, and so picklable, as module.name; torch itself is not on the path of the tests."""
    parts = module.split(".")
    for i in range(len(parts)):
        sys.modules.setdefault(".".join(parts[:i + 1]), types.ModuleType(".".join(parts[:i + 1])))
    value.__module__, value.__qualname__, value.__name__ = module, name, name
    setattr(sys.modules[module], name, value)
    return value


STORAGES = {kind: stand_in("torch", f"{kind}Storage", type(kind, (), {})) for kind in ITEM_BYTES}


class Storage:
    def __init__(self, kind, data, count=None):
        self.kind, self.data = kind, data
        self.count = len(data) // ITEM_BYTES[kind] if count is None else count  # what the pickle claims


class Tensor:
    """Bytes with a shape; `stride` and `offset` make it a view, true or false."""

    def __init__(self, kind, shape, data, stride=None, offset=0):
        self.storage = data if isinstance(data, Storage) else Storage(kind, data)
        self.kind, self.shape, self.offset = kind, tuple(shape), offset
        self.stride = tuple(stride or (math.prod(shape[axis + 1:]) for axis in range(len(shape))))

    def __reduce__(self):
        return rebuild, (self.storage, self.offset, self.shape, self.stride, False, collections.OrderedDict())

    def __eq__(self, other):
        return (self.kind, self.shape, self.storage.data) == (other.kind, other.shape, other.storage.data)


def rebuild_tensor(storage, offset, shape, stride, _requires_grad, _hooks):
    return Tensor(storage.kind, shape, storage, stride, offset)


rebuild = stand_in("torch._utils", "_rebuild_tensor_v2", rebuild_tensor)


def zeros_of_numpy():
    """Pickles as numpy.zeros(2, int32) does: BTS and NeWCRFs keep the steps of their best metrics in such an array."""
    array = type("ndarray", (), {})
    dtype = type("dtype", (), {"__reduce__": lambda self: (type(self), ("i4", False, True), (3, "<", None))})
    stand_in("numpy", "dtype", dtype)
    reconstruct = stand_in("numpy.core.multiarray", "_reconstruct", lambda *_: array())
    array.__reduce__ = lambda self: (reconstruct, (array, (0,), b"b"), (1, (2,), dtype(), False, bytes(8)))
    return stand_in("numpy", "ndarray", array)()


def pickled(content):
    """The pickle, and the storages in it by key."""
    storages, out = {}, io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            key = next((k for k, s in storages.items() if s is value), str(len(storages)))
            storages[key] = value
            return "storage", STORAGES[value.kind], key, "cpu", value.count

    Pickler(out, 2).dump(content)
    return out.getvalue(), storages


def legacy(content):
    text, storages = pickled(content)
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    out = [pickle.dumps(part, 2) for part in (LEGACY_MAGIC, 1001, machine)] + [text, pickle.dumps(sorted(storages), 2)]
    for _, storage in sorted(storages.items()):
        out.append(struct.pack("<q", storage.count) + storage.data)
    return b"".join(out)


def zipped(content, root="archive"):
    text, storages = pickled(content)
    entries = {"data.pkl": text, "byteorder": b"little", **{f"data/{k}": s.data for k, s in storages.items()}}
    return archive({f"{root}/{name}": data for name, data in {**entries, "version": b"3\n"}.items()})


def archive(entries, method=zipfile.ZIP_STORED):
    """A zip with the zip64 end record that PyTorch always writes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in entries.items():
            file.writestr(zipfile.ZipInfo(name), data, method)
    data = out.getvalue()
    count, size, offset = struct.unpack_from("<H2L", data, len(data) - 12)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    return data[:-22] + record + struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1) + data[-22:]


def load_zipped(path):
    """torch.load: OrderedDicts of Tensors."""
    with zipfile.ZipFile(path) as file:
        root = file.namelist()[0].split("/")[0]

        class Unpickler(pickle.Unpickler):
            def persistent_load(self, reference):
                kind, key, count = reference[1].__name__[:-len("Storage")], reference[2], reference[4]
                storage = Storage(kind, file.read(f"{root}/data/{key}"))
                assert storage.count == count
                return storage

        return Unpickler(io.BytesIO(file.read(f"{root}/data.pkl"))).load()
