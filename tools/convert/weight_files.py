"""Files of weights, with Python's standard library only: torch.save's (zip and legacy) and safetensors, both ways.

Nothing in a file is executed, imported or believed: load_pickle says how. Numbers stay in the mapped file until they
are written, so a checkpoint of gigabytes needs no memory of its size. Every error is a Failure.
"""
import array
import hashlib
import io
import itertools
import json
import math
import mmap
import os
import pickletools
import stat
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

USAGE, BAD_DATA, MISSING_INPUT, OUT_OF_MEMORY, CANNOT_WRITE = 2, 65, 66, 70, 73


class Failure(Exception):
    """Ends the program: one line and an exit code."""

    def __init__(self, message, code=BAD_DATA):
        super().__init__(message)
        self.code = code


def show(name):
    """A name from a file, fit for a terminal and one line."""
    name = str(name) if isinstance(name, (str, Path)) else ascii(name)
    name = name if name.isprintable() else ascii(name)
    return name if len(name) <= 200 else name[:200] + "..."


# ---- Tensors ---------------------------------------------------------------------------------------------------------

MOST_AXES = 8  # as in the engine
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
STORAGES = {"DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
            "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8",
            "ByteStorage": "U8", "BoolStorage": "BOOL"}  # torch's name: safetensors' name


class Storage:
    """A run of numbers in a file: `count` of them are promised, `data` holds their bytes once they are found."""

    def __init__(self, dtype, count, data=None):
        self.dtype, self.count, self.data = dtype, count, data

    def attach(self, data, what):
        if len(data) != self.count * ITEM_BYTES[self.dtype]:
            raise Failure(f"{what} has {len(data)} bytes, its {self.count} {self.dtype} want "
                          f"{self.count * ITEM_BYTES[self.dtype]}")
        self.data = data


class Tensor(NamedTuple):
    """A view of a storage; offset and stride count elements."""
    storage: Storage
    offset: int
    shape: tuple
    stride: tuple

    @property
    def dtype(self):
        return self.storage.dtype

    @property
    def count(self):
        return math.prod(self.shape)

    @property
    def nbytes(self):
        return self.count * ITEM_BYTES[self.dtype]

    def chunks(self):
        """Its elements in C order, as pieces of bytes."""
        if self.count == 0:
            return
        size = ITEM_BYTES[self.dtype]
        if all(s == want or n == 1 for s, want, n in zip(self.stride, dense_stride(self.shape), self.shape)):
            yield self.storage.data[self.offset * size:(self.offset + self.count) * size]
            return
        items = self.storage.data.cast({1: "B", 2: "H", 4: "I", 8: "Q"}[size])
        n, step = self.shape[-1], self.stride[-1]
        for index in itertools.product(*map(range, self.shape[:-1])):
            first = self.offset + sum(i * s for i, s in zip(index, self.stride))
            row = items[first:first + (n - 1) * step + 1:step] if step else items[first:first + 1]
            yield row.tobytes() * (1 if step else n)


def dense_stride(shape):
    return tuple(math.prod(shape[axis + 1:]) for axis in range(len(shape)))


def dense(dtype, shape, data):
    return Tensor(Storage(dtype, math.prod(shape), memoryview(data)), 0, tuple(shape), dense_stride(shape))


def cast(tensor, dtype):
    """The tensor as `dtype` where no value is lost or the engine would round as well, else None."""
    if tensor.dtype == dtype:
        return tensor
    data = b"".join(tensor.chunks())
    if (tensor.dtype, dtype) == ("F16", "F32"):
        numbers = array.array("f", struct.unpack(f"<{tensor.count}e", data))
    elif (tensor.dtype, dtype) == ("BF16", "F32"):
        numbers = array.array("I", (bits << 16 for bits in array.array("H", data)))
    elif (tensor.dtype, dtype) == ("F64", "F32"):
        numbers = array.array("f", array.array("d", data))
    elif (tensor.dtype, dtype) == ("I32", "I64"):
        numbers = array.array("q", array.array("i", data))
    else:
        return None
    return dense(dtype, tensor.shape, numbers.tobytes())


# ---- Pickles: a machine that can only build plain data -------------------------------------------------------------

class Global(NamedTuple):
    """A class or function that a pickle names. It stays a name: nothing is imported or called."""
    module: str
    name: str

    @property
    def dotted(self):
        return f"{self.module}.{self.name}"


class Inert:
    """What a checkpoint holds beside weights (a Namespace, a Path, best metrics as numpy scalars): a placeholder that
    knows its class. `items` is what the pickle set in it, if it is a kind of dict; `network`: it is a module."""

    def __init__(self, name):
        self.name, self.items, self.network = name, {}, False

    def __repr__(self):
        return f"<{self.name}>"


WHOLE_NETWORK = "holds a network as an object, which PyTorch would run code to read: save its state_dict() instead"
MARK = object()
MOST_OPCODES = 2_000_000  # a checkpoint of 500 tensors and its optimiser have some 50,000
# Of Python's own library, torch and NumPy, what makes a value and does nothing else. A call of anything else there is
# refused, because in PyTorch it would run; other packages are the trainer's own, and all their names are placeholders.
OWN_LIBRARIES = sys.stdlib_module_names | {"torch", "numpy", "__builtin__", "copy_reg"}
VALUES = {
    "__builtin__": "set frozenset complex bytearray slice range xrange list dict tuple int float str bool",
    "builtins": "set frozenset complex bytearray slice range list dict tuple int float str bool",
    "_codecs": "encode", "copy_reg": "_reconstructor", "copyreg": "_reconstructor __newobj_ex__",
    "argparse": "Namespace", "types": "SimpleNamespace GenericAlias", "functools": "partial",
    "_operator": "getitem or_",
    "collections": "Counter deque", "random": "Random", "re": "_compile", "logging": "getLogger", "uuid": "UUID",
    "datetime": "date datetime time timedelta timezone", "decimal": "Decimal", "fractions": "Fraction",
    "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "pathlib._local": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",  # Python 3.13
    "numpy": "ndarray dtype", "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar", "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer", "numpy.ma.core": "_mareconstruct",
    "numpy.random._pickle": "__randomstate_ctor __generator_ctor __bit_generator_ctor",
    "numpy.random.bit_generator": "__pyx_unpickle_SeedSequence",
    "torch": "device", "torch.serialization": "_get_layout",
    "torch._utils": "_rebuild_sparse_tensor _rebuild_qtensor _rebuild_meta_tensor_no_storage",
}


def is_size(value):
    return type(value) is int and value >= 0


def rebuild_tensor(storage, offset, shape, stride, *_unused):
    """torch._utils._rebuild_tensor_v2, with every bound checked: the view lies inside its storage."""
    well_formed = (isinstance(storage, Storage) and is_size(offset) and type(shape) is tuple and type(stride) is tuple
                   and len(shape) == len(stride) <= MOST_AXES and all(map(is_size, shape + stride)))
    if not well_formed:
        raise Failure("a tensor's storage, offset, shape or stride is malformed")
    tensor = Tensor(storage, offset, shape, stride)
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride))
    if tensor.count and (last >= storage.count or tensor.count > storage.count):
        raise Failure(f"a tensor of shape {show(shape)} reaches past its storage of {storage.count} elements")
    return tensor


def ordered_dict(pairs=()):
    """collections.OrderedDict, which Python 2 pickled as a list of pairs."""
    result = {}
    for pair in pairs:
        set_item(result, *pair)
    return result


def first_of(tensor, *_unused):
    return tensor


def rebuild_subclass(function, _class, arguments, _attributes):
    """torch._tensor._rebuild_from_type_v2: of a tensor that somebody set an attribute of."""
    return reduce(function, arguments)


def get_attribute(owner=None, name=None):
    """A class within a class, or a member of an enumeration."""
    if type(owner) is not Global or type(name) is not str or owner.module.split(".")[0] in OWN_LIBRARIES:
        raise Failure("needs '__builtin__.getattr', which weights do not: this file would run code")
    return Global(owner.module, f"{owner.name}.{name}")


CALLABLE = {Global("collections", "OrderedDict"): ordered_dict,
            Global("collections", "defaultdict"): lambda _factory=None, pairs=(): ordered_dict(pairs),
            Global("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
            Global("torch._utils", "_rebuild_tensor"): rebuild_tensor,
            Global("torch._utils", "_rebuild_parameter"): first_of,
            Global("torch._utils", "_rebuild_parameter_with_state"): first_of,
            Global("torch.nn.parameter", "Parameter"): first_of,
            Global("torch._tensor", "_rebuild_from_type_v2"): rebuild_subclass,
            Global("torch", "Size"): tuple,
            Global("__builtin__", "getattr"): get_attribute, Global("builtins", "getattr"): get_attribute}


def reduce(function, arguments):
    if type(function) is not Global or type(arguments) is not tuple:
        raise Failure("the pickle calls what is no function")
    if function in CALLABLE:
        return CALLABLE[function](*arguments)
    if function.module == "torch" and function.name in STORAGES:
        raise Failure(f"the pickle calls '{function.name}'")
    known = function.name in VALUES.get(function.module, "").split()
    if not known and function.module.split(".")[0] in OWN_LIBRARIES:
        raise Failure(f"needs '{show(function.dotted)}', which weights do not: this file would run code")
    return Inert(function.dotted)


def new_object(kind, arguments):
    """An instance of a class, before its state is set."""
    if type(kind) is not Global or type(arguments) is not tuple or kind in CALLABLE:
        raise Failure("pickle opcode NEWOBJ of what is no class of a placeholder")
    return Inert(kind.dotted)


def is_key(key):
    """No nested tuples, whose hash can take for ever."""
    flat = type(key) is tuple and 0 < len(key) <= MOST_AXES and all(type(part) in (str, int, float) for part in key)
    return flat or type(key) in (str, int, float, bool, type(None), Global, Inert, Tensor)


def set_item(target, key, value):
    target = target.items if type(target) is Inert else target
    if type(target) is not dict or not is_key(key):
        raise Failure("the pickle sets an item that no state dict has")
    if key in target:
        raise Failure(f"'{show(key)}' is there twice")
    target[key] = value


class Machine:
    """The stack and the memo of one pickle."""
    CONSTANTS = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
                 "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
    LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "BINSTRING", "SHORT_BINSTRING"}
    TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

    def __init__(self, persistent):
        self.stack, self.memo, self.persistent = [], {}, persistent

    def since_mark(self):
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise IndexError("no mark")
        items = self.stack[at + 1:]
        del self.stack[at:]
        return items

    def pop(self, count):
        if len(self.stack) < count:
            raise IndexError("stack underflow")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def extend(self, items):
        if type(self.stack[-1]) is Inert:  # a list of a class of its own
            return
        if type(self.stack[-1]) is not list:
            raise Failure("the pickle appends to what is no list")
        self.stack[-1].extend(items)

    def update(self, items):
        if len(items) % 2:
            raise Failure("the pickle sets a key without a value")
        for key, value in zip(items[::2], items[1::2]):
            set_item(self.stack[-1], key, value)

    def build(self, state):
        if type(self.stack[-1]) not in (dict, Inert):  # an OrderedDict's _metadata, a numpy array's numbers
            raise Failure("the pickle sets the state of an object")
        if type(self.stack[-1]) is Inert:
            self.stack[-1].network = type(state) is dict and "_modules" in state

    def step(self, name, argument):
        push = self.stack.append
        if name in self.CONSTANTS:
            push(self.CONSTANTS[name]())
        elif name in self.LITERALS:
            push(argument)
        elif name in self.TUPLES:
            push(tuple(self.pop(self.TUPLES[name])))
        elif name in self.ACTIONS:
            self.ACTIONS[name](self, argument)
        else:
            raise Failure(f"pickle opcode {name} is none that torch.save writes")

    ACTIONS = {
        "PROTO": lambda self, version: None,
        "MARK": lambda self, _: self.stack.append(MARK),
        "TUPLE": lambda self, _: self.stack.append(tuple(self.since_mark())),
        "GLOBAL": lambda self, text: self.stack.append(Global(*text.split(" ", 1))),
        "NEWOBJ": lambda self, _: self.stack.append(new_object(*self.pop(2))),
        "REDUCE": lambda self, _: self.stack.append(reduce(*self.pop(2))),
        "BINPERSID": lambda self, _: self.stack.append(self.persistent(*self.pop(1))),
        "BUILD": lambda self, _: self.build(*self.pop(1)),
        "APPEND": lambda self, _: self.extend(self.pop(1)),
        "APPENDS": lambda self, _: self.extend(self.since_mark()),
        "SETITEM": lambda self, _: self.update(self.pop(2)),
        "SETITEMS": lambda self, _: self.update(self.since_mark()),
        "BINPUT": lambda self, index: self.memo.__setitem__(index, self.stack[-1]),
        "LONG_BINPUT": lambda self, index: self.memo.__setitem__(index, self.stack[-1]),
        "BINGET": lambda self, index: self.stack.append(self.memo[index]),
        "LONG_BINGET": lambda self, index: self.stack.append(self.memo[index]),
    }


def load_pickle(file, persistent=None):
    """One pickle from the file's position. pickletools only splits it into opcodes; of those, Machine knows the few
    that torch.save writes. A global stays a name: there is no way from here to an import or a call."""
    machine = Machine(persistent or refuse_persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count == MOST_OPCODES:
                raise Failure(f"a pickle of more than {MOST_OPCODES} opcodes")
            if opcode.name == "STOP":
                return machine.pop(1)[0]
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise Failure(f"damaged pickle ({show(error.args[0] if error.args else '')})") from None
    raise Failure("damaged pickle")


def refuse_persistent(_):
    raise Failure("damaged pickle (a storage before any was announced)")


class Storages:
    """The storages that a pickle refers to: torch's ('storage', class, key, device, element count)."""

    def __init__(self):
        self.by_key = {}

    def __call__(self, reference):
        if type(reference) is tuple and reference[:1] == ("module",):  # how torch < 1.1 keeps a class's source
            raise Failure(WHOLE_NETWORK)
        legacy_view = reference[5:] if type(reference) is tuple else None
        if legacy_view not in ((), (None,)) or len(reference) < 5 or reference[0] != "storage":
            raise Failure("a reference in the pickle is no storage")
        kind, key, count = reference[1], reference[2], reference[4]
        if type(kind) is not Global or kind.name not in STORAGES or type(key) is not str or not is_size(count):
            raise Failure("a storage's class, key or size is malformed")
        storage = self.by_key.setdefault(key, Storage(STORAGES[kind.name], count))
        if (storage.dtype, storage.count) != (STORAGES[kind.name], count):
            raise Failure(f"storage '{show(key)}' is announced with two classes or sizes")
        return storage


# ---- Files in ------------------------------------------------------------------------------------------------------

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
ENTRY, LOCAL, END, END64, LOCATOR = b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7"
SATURATED = 0xFFFFFFFF  # the number is in the entry's zip64 field


def zip_directory(data):
    """Begin, end and entry count of a zip's central directory, which must end where the end records begin."""
    end = len(data) - 22
    if end < 0 or data[end:end + 4] != END:
        raise Failure("the zip archive does not end in its directory: cut short, or followed by something")
    disk, first_disk, here, count, size, offset, comment = struct.unpack_from("<4H2LH", data, end + 4)
    if data[max(end - 20, 0):max(end - 16, 0)] == LOCATOR:
        claimed = (here, count, size, offset)
        at = struct.unpack_from("<Q", data, end - 12)[0]
        if at != end - 76 or data[at:at + 4] != END64:
            raise Failure("the zip64 locator does not point at its record")
        disk, first_disk, here, count, size, offset = struct.unpack_from("<2L4Q", data, at + 16)
        limits = (0xFFFF, 0xFFFF, SATURATED, SATURATED)
        if any(c not in (real, most) for c, real, most in zip(claimed, (here, count, size, offset), limits)):
            raise Failure("the zip64 record contradicts the archive's end record")
        end = at
    if disk or first_disk or comment or here != count or offset + size != end:
        raise Failure("the zip directory is not where its end record says")
    return offset, end, count


def zip64_numbers(extra, numbers):
    """Replaces saturated numbers by those of the zip64 field, in the order of the format."""
    wide = b""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            wide = extra[4:4 + length]
        extra = extra[4 + length:]
    taken = iter(struct.unpack_from(f"<{len(wide) // 8}Q", wide))
    return [next(taken, SATURATED) if number == SATURATED else number for number in numbers]


def zip_entries(data):
    """Name -> (bytes, CRC-32) of a zip of stored entries, each once, in the file's order and without overlap."""
    at, end, count = zip_directory(data)
    first_byte_of_directory, entries, free = at, {}, 0
    for _ in range(count):
        if end - at < 46 or data[at:at + 4] != ENTRY:
            raise Failure("the zip directory is cut short")
        flags, method = struct.unpack_from("<2H", data, at + 8)
        crc, packed, size, n_name, n_extra, n_comment = struct.unpack_from("<3L3H", data, at + 16)
        local, = struct.unpack_from("<L", data, at + 42)
        raw_name = bytes(data[at + 46:at + 46 + n_name])
        name = raw_name.decode("utf-8", "backslashreplace")
        extra = bytes(data[at + 46 + n_name:at + 46 + n_name + n_extra])
        size, packed, local = zip64_numbers(extra, (size, packed, local))
        at += 46 + n_name + n_extra + n_comment
        if method != 0 or flags & 1 or packed != size:
            raise Failure(f"zip entry '{show(name)}' is compressed or encrypted, which torch.save never does")
        if name in entries or name.startswith("/") or ".." in name.split("/") or "\\" in name:
            raise Failure(f"zip entry '{show(name)}' is there twice or leaves the archive")
        if local < free or local + 30 > first_byte_of_directory or data[local:local + 4] != LOCAL:
            raise Failure(f"zip entry '{show(name)}' overlaps another or lies outside the archive")
        begin = local + 30 + sum(struct.unpack_from("<2H", data, local + 26))
        free = begin + size
        if free > first_byte_of_directory or bytes(data[local + 30:local + 30 + n_name]) != raw_name:
            raise Failure(f"zip entry '{show(name)}' is not what the directory says")
        entries[name] = (data[begin:free], crc)
    if at != end:
        raise Failure("the zip directory holds more than its entries")
    return entries


def read_zip(data):
    entries = zip_entries(data)
    unchecked = all(crc == 0 for _, crc in entries.values())  # torch.serialization.set_crc32_options(False)

    def entry(name):
        if name not in entries:
            raise Failure(f"the archive has no '{show(name)}'")
        content, crc = entries[name]
        if not unchecked and zlib.crc32(content) != crc:
            raise Failure(f"zip entry '{show(name)}' is damaged: wrong CRC-32")
        return content

    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Failure("a zip archive, but none that torch.save wrote (no data.pkl)")
    root = pickles[0][:-len("data.pkl")]
    if root + "byteorder" in entries and bytes(entry(root + "byteorder")) != b"little":
        raise Failure("the weights are big-endian")
    storages = Storages()
    content = load_pickle(io.BytesIO(entry(pickles[0])), storages)
    for key, storage in storages.by_key.items():
        storage.attach(entry(f"{root}data/{key}"), f"storage '{show(key)}'")
    return content


def read_legacy(data, file):
    """torch.save before 1.6: magic number, protocol, machine, the object, the storages' keys; then the storages."""
    file.seek(0)
    if load_pickle(file) != LEGACY_MAGIC or load_pickle(file) != 1001:
        raise Failure("not a protocol of torch.save")
    machine = load_pickle(file)
    if type(machine) is not dict or machine.get("little_endian") is not True:
        raise Failure("the weights are big-endian")
    storages = Storages()
    content, keys = load_pickle(file, storages), load_pickle(file)
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(storages.by_key):
        raise Failure("the list of storages is not the storages of the pickle")
    at = file.tell()
    for key in keys:
        storage, what = storages.by_key[key], f"storage '{show(key)}'"
        if len(data) - at < 8 or struct.unpack_from("<q", data, at)[0] != storage.count:
            raise Failure(f"{what} is cut short or has another size than the pickle says")
        begin, at = at + 8, at + 8 + storage.count * ITEM_BYTES[storage.dtype]
        storage.attach(data[begin:at], what)
    if at != len(data):
        raise Failure(f"{len(data) - at} bytes follow the last storage")
    return content


def parse_entry(name, info):
    if type(info) is not dict or set(info) != {"dtype", "shape", "data_offsets"}:
        raise Failure(f"'{show(name)}' needs dtype, shape and data_offsets, and nothing else")
    dtype, shape, where = info["dtype"], info["shape"], info["data_offsets"]
    if type(dtype) is not str or dtype not in ITEM_BYTES:
        raise Failure(f"'{show(name)}': unknown dtype")
    lists = type(shape) is list and type(where) is list and len(shape) <= MOST_AXES and len(where) == 2
    if not lists or not all(map(is_size, shape + where)):
        raise Failure(f"'{show(name)}': shape or data_offsets is malformed")
    if where[1] - where[0] != math.prod(shape) * ITEM_BYTES[dtype]:
        raise Failure(f"'{show(name)}': shape and data_offsets disagree")
    return dtype, shape, where


def without_duplicates(pairs):
    result = {}
    for key, value in pairs:
        if key in result:
            raise Failure(f"'{show(key)}' is there twice")
        result[key] = value
    return result


def read_safetensors(data):
    length = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
    if length > min(100_000_000, len(data) - 8) or data[8:9] != b"{":
        raise Failure("neither a .pth nor a safetensors file")
    try:
        header = json.loads(bytes(data[8:8 + length]).decode(), object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError):
        raise Failure("the safetensors header is no JSON object") from None
    metadata = header.pop("__metadata__", {})
    if type(metadata) is not dict:
        raise Failure("__metadata__ is not an object")
    entries = {name: parse_entry(name, info) for name, info in header.items()}
    state, at = {}, 0
    body = data[8 + length:]
    for name, (dtype, shape, (begin, end)) in sorted(entries.items(), key=lambda entry: entry[1][2]):
        if begin != at or end > len(body):
            raise Failure(f"'{show(name)}' overlaps, leaves a hole or reaches past the end of the file")
        state[name], at = dense(dtype, shape, body[begin:end]), end
    if at != len(body):
        raise Failure(f"{len(body) - at} bytes follow the last tensor")
    if "sha256" in metadata and metadata["sha256"] != hashlib.sha256(body).hexdigest():
        raise Failure("damaged: the data do not have the SHA-256 that the file gives")
    return state


def read_checkpoint(path):
    """Whatever the file holds: nested dicts, lists and tuples of Tensors and plain values."""
    try:
        status = os.stat(path)  # before opening, which would wait at a pipe
        if not stat.S_ISREG(status.st_mode):
            raise Failure("not a regular file")
        if status.st_size == 0:
            raise Failure("an empty file")
        with open(path, "rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise Failure("no such file", MISSING_INPUT) from None
    except OSError as error:
        raise Failure(f"cannot open: {error.strerror}", MISSING_INPUT) from None
    data = memoryview(whole)
    if data[:4] == LOCAL:
        return read_zip(data)
    if data[:2] == b"\x80\x02":
        return read_legacy(data, whole)
    return read_safetensors(data)


# ---- Files out -----------------------------------------------------------------------------------------------------

def write_durably(path, write):
    """A crash leaves the old file or the new one: written beside, fsynced, renamed, folder fsynced."""
    beside = f"{path}.tmp.{os.getpid()}"
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise Failure(f"{show(path)}: cannot write: not a regular file", CANNOT_WRITE)
        try:
            with open(beside, "xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            if os.path.exists(beside):
                os.unlink(beside)
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Failure(f"{show(path)}: cannot write: {error.strerror}", CANNOT_WRITE) from None


def write_safetensors(file, state, metadata):
    """Wide elements first, then by name: every tensor is aligned, and equal states give equal files. The engine checks
    the SHA-256 of the data in the metadata."""
    order = sorted(state.items(), key=lambda entry: (-ITEM_BYTES[entry[1].dtype], entry[0]))
    digest = hashlib.sha256()
    for _, tensor in order:
        for chunk in tensor.chunks():
            digest.update(chunk)
    header, end = {"__metadata__": {**metadata, "sha256": digest.hexdigest()}}, 0
    for name, tensor in order:
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [end, end + tensor.nbytes]}
        end += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for _, tensor in order:
        for chunk in tensor.chunks():
            file.write(chunk)


def pickled(value):
    """Protocol 2, for the few kinds of value that a state dict is made of."""
    if type(value) is str:
        text = value.encode()
        return b"X" + struct.pack("<L", len(text)) + text
    if type(value) is Global:
        return f"c{value.module}\n{value.name}\n".encode()
    if type(value) is bool:
        return b"\x88" if value else b"\x89"
    if type(value) is int:
        if value < 1 << 31:
            return b"J" + struct.pack("<l", value)
        return b"\x8a\x09" + value.to_bytes(9, "little")
    return b"(" + b"".join(map(pickled, value)) + b"t"


def pickled_state(state, wrapped):
    """An OrderedDict of tensors as torch.save writes it, tensor i in storage i; `wrapped`: {"model": that}."""
    ordered = pickled(Global("collections", "OrderedDict")) + b")R"
    classes = {dtype: name for name, dtype in STORAGES.items()}
    out = [b"\x80\x02", b"}" + pickled("model") if wrapped else b"", ordered, b"("]
    for key, (name, tensor) in enumerate(state.items()):
        reference = ("storage", Global("torch", classes[tensor.dtype]), str(key), "cpu", tensor.count)
        out += [pickled(name), pickled(Global("torch._utils", "_rebuild_tensor_v2")), b"(", pickled(reference), b"Q",
                *map(pickled, (0, tensor.shape, dense_stride(tensor.shape), False)), ordered, b"tR"]
    return b"".join([*out, b"u", b"s" if wrapped else b"", b"."])


def write_pth(file, state, wrapped):
    """The zip format, which torch.load reads since 1.6."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        def put(name, size, chunks):
            info = zipfile.ZipInfo(f"archive/{name}")  # dated 1980: equal states give equal files
            info.file_size = size
            with archive.open(info, "w") as entry:
                for chunk in chunks:
                    entry.write(chunk)

        text = pickled_state(state, wrapped)
        put("data.pkl", len(text), [text])
        put("byteorder", 6, [b"little"])
        for key, tensor in enumerate(state.values()):
            put(f"data/{key}", tensor.nbytes, tensor.chunks())
        put("version", 2, [b"3\n"])
