"""Reads pickles as data, and PyTorch's older files, which are pickles in a row.

A pickle is a program that builds objects, and may call any function on the way. The interpreter below knows how to
build containers, numbers, text and tensors; every other class or function that a file names becomes a `Record`, a
note of the name and of what was handed to it. Nothing is imported and nothing of the file is called, so there is
nothing to trust. What a file can cost is bounded: opcodes, copied bytes, depth and size of the tree.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import label

MOST_OPCODES = 1_000_000
MOST_VALUES = 1_000_000  # in the tree, a value that is shared counted every time
MOST_LEVELS = 200
MOST_BITS = 4096  # of a whole number
SPARE_BYTES = 2**20  # what small files may cost beyond a multiple of their size

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

DAMAGED = "is damaged: its pickle is cut short or invalid"

DTYPES = {
    torch.float16, torch.float32, torch.float64, torch.bfloat16, torch.bool, torch.uint8, torch.uint16, torch.uint32,
    torch.uint64, torch.int8, torch.int16, torch.int32, torch.int64,
}  # fmt: skip
STORAGES = {
    "torch.HalfStorage": torch.float16, "torch.FloatStorage": torch.float32, "torch.DoubleStorage": torch.float64,
    "torch.BFloat16Storage": torch.bfloat16, "torch.BoolStorage": torch.bool, "torch.ByteStorage": torch.uint8,
    "torch.CharStorage": torch.int8, "torch.ShortStorage": torch.int16, "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64, "torch.storage.UntypedStorage": torch.uint8,
}  # fmt: skip
UNREAD_STORAGES = {  # what tensors of these are, and bytes per number
    "torch.ComplexFloatStorage": ("a complex tensor", 8), "torch.ComplexDoubleStorage": ("a complex tensor", 16),
    "torch.QInt8Storage": ("a quantized tensor", 1), "torch.QUInt8Storage": ("a quantized tensor", 1),
    "torch.QInt32Storage": ("a quantized tensor", 4),
}  # fmt: skip
UNREAD_TENSORS = {
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_qtensor": "a quantized tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without values (device meta)",
    "_rebuild_wrapper_subclass": "a tensor without values of its own",
    "_rebuild_device_tensor_from_numpy": "a tensor of an accelerator",
    "_rebuild_device_tensor_from_cpu_tensor": "a tensor of an accelerator",
}
EMPTY_CONTAINERS: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set,
}  # fmt: skip
OUTSIDE = {"EXT1", "EXT2", "EXT4", "PERSID"}  # whose arguments are no values but refer to something elsewhere
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


@dataclass(frozen=True, eq=False)  # compared by identity: attributes hold tensors, which have no single truth value
class Record:
    """An inert note of an object whose class the file names; never an instance of that class.

    ``class_name`` such as "torch.nn.modules.activation.LeakyReLU" or "__torch__.Net"; ``attributes`` what the object
    held by name; ``arguments`` what its class or function was to be called with.
    """

    class_name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[Any, ...] = ()


class Reference(Record):
    """A class or function that the file names, not an object made with it."""


class Unread(Record):
    """A note of numbers that are not read, by what they are: "a sparse tensor"."""


@dataclass(frozen=True)
class Storage:
    """A block of numbers, (n,) of one type, that tensors are views of."""

    numbers: Tensor


@dataclass
class _NumpyType:
    code: str
    order: str = "="


@dataclass
class _NumpyArray:
    """An array whose shape and values the pickle has yet to give; ``memo`` the places it is remembered under."""

    memo: list[int] = field(default_factory=list)


class Storages:
    """The blocks of numbers that a pickle refers to by key, each held once, so that tensors that shared one still do.

    ``read`` gives the bytes of a key when asked for so many; ``budget`` bytes may be asked for in all.
    """

    def __init__(self, read: Callable[[str, int], bytearray], budget: int) -> None:
        self.read, self.budget = read, budget
        self.buffers: dict[str, bytearray] = {}
        self._numbers: dict[tuple[str, torch.dtype, int], Tensor] = {}

    def find(self, identity: object) -> Storage | Record:
        """The storage that a persistent id stands for, or the class of an old pickled module; `Unread` for numbers
        of a type that is not read.

        Raises `CheckpointError` for one that is missing, too short, or of an unknown type.
        """
        match identity:
            case ("module" | b"module", Record() as record, *_):  # old files keep the source text of a class beside it
                return record
            case ("storage" | b"storage", Record() as kind, str() | int() as key, location, int() as count, *view):
                words, size = UNREAD_STORAGES.get(kind.class_name.replace("torch.cuda.", "torch."), ("", 1))
                dtype = torch.uint8 if words else storage_dtype(kind.class_name)
            case _:
                raise CheckpointError("is damaged: it refers to something other than tensor storage")
        if location == "meta":
            return Unread("a tensor without values (device meta)")
        if words:
            self._block(str(key), dtype, count * size)
            return Unread(words)
        numbers = self._block(str(key), dtype, count)
        match view:
            case [] | [None]:
                return Storage(numbers)
            case [(_, int() as start, int() as length)] if 0 <= start <= start + length <= count:
                return Storage(numbers[start : start + length])
            case _:
                raise CheckpointError("is damaged: a view lies outside its tensor storage")

    def _block(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        if (key, dtype, count) not in self._numbers:
            size = count * dtype.itemsize
            if key not in self.buffers:
                if not 0 <= size <= self.budget:
                    raise CheckpointError("is damaged or forged: it claims more numbers than the file has bytes for")
                self.budget -= size
                self.buffers[key] = self.read(key, size)
            if not 0 <= size <= len(self.buffers[key]):
                raise CheckpointError("is damaged or forged: tensor storage is shorter than declared")
            self._numbers[key, dtype, count] = numbers_of(self.buffers[key], dtype, count)
        return self._numbers[key, dtype, count]


def numbers_of(buffer: bytearray, dtype: torch.dtype, count: int) -> Tensor:
    """The first ``count`` numbers of a buffer, (count,), sharing its memory."""
    return torch.frombuffer(buffer, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)


def storage_dtype(class_name: str) -> torch.dtype:
    """The type of the numbers in a storage class. Raises `CheckpointError` for an unknown one."""
    name = class_name.replace("torch.cuda.", "torch.")
    if name in STORAGES:
        return STORAGES[name]
    raise CheckpointError(f"holds numbers of the unknown type {label(name)}")


def named_dtype(name: str) -> torch.dtype | None:
    """The type of numbers that ``name`` ("torch.uint16") stands for; None for one that is not read."""
    return next((dtype for dtype in DTYPES if str(dtype) == name), None)


def strided(storage: object, offset: object, shape: object, stride: object, room: int) -> Tensor | Unread:
    """The tensor of this ``shape`` in a storage, without a copy; `Unread` where the storage is.

    A tensor that was expanded (stride 0) holds more numbers than its storage; it may be of ``room`` bytes.
    Raises `CheckpointError` where it would be larger, reach outside, or hold more different numbers than it.
    """
    if isinstance(storage, Unread):
        return storage
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise CheckpointError("is damaged: a tensor has no storage")
    whole = (offset, *shape, *stride)
    if len(shape) != len(stride) or len(shape) > 32 or any(type(n) is not int or not 0 <= n < 2**48 for n in whole):
        raise CheckpointError("is damaged or forged: a tensor has an impossible shape, stride or offset")
    count, has = math.prod(shape), len(storage.numbers)
    different = math.prod(n for n, step in zip(shape, stride) if step) if count else 0
    too_large = count > has and count * storage.numbers.itemsize > room
    needs = cast(int, offset) + 1 + sum((n - 1) * step for n, step in zip(shape, stride)) if count else 0
    if needs > has or different > has or too_large or math.prod(n or 1 for n in shape) >= 2**48:
        raise CheckpointError(
            f"is damaged or forged: a tensor of shape {_short(shape)} does not fit its storage of {has} numbers"
        )
    begin = cast(int, storage.numbers.storage_offset())  # of a window on a block
    return storage.numbers.as_strided(shape, stride, begin + cast(int, offset) if count else 0)


def from_numpy(array: np.ndarray[Any, Any]) -> Any:
    """An array as a tensor that owns its memory; an array of text as lists, of any other kind as `Unread`."""
    if array.dtype.kind in "US":
        return array.tolist()
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        return Unread(unread_array(array.dtype.kind))
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)
    return torch.from_numpy(native)


def unread_array(kind: str) -> str:
    """What an array of a kind that is not read is, by the letter that NumPy has for it."""
    words = {"c": "a complex array", "V": "an array of records", "M": "an array of dates", "m": "an array of durations"}
    return words.get(kind, "an array of objects")


class Unpickler:
    """One pickle, read from where ``stream`` stands.

    ``storages`` what its persistent ids refer to; ``budget`` bytes may be copied beyond what the opcodes bring.
    """

    def __init__(
        self, stream: io.BytesIO, storages: Storages | None = None, budget: int = 0, nested: bool = False
    ) -> None:
        self.stream, self.storages, self.nested = stream, storages, nested
        self.budget = budget + SPARE_BYTES
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """What the pickle describes. Raises `CheckpointError` for a pickle that is damaged or costs too much."""
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(self.stream)):
                if count > MOST_OPCODES:
                    raise CheckpointError(f"describes more than {MOST_OPCODES:,} objects, too many for a model file")
                self._step(opcode.name, argument)
        # a stream that does not follow the format fails in many ways; a wrong escape in a text is a warning
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, Warning) as error:
            raise CheckpointError(DAMAGED) from error
        if len(self.stack) != 1 or self.below:
            raise CheckpointError(DAMAGED)
        return self.stack[0]

    def _step(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        match opcode:
            case "BINPUT" | "LONG_BINPUT" | "PUT" | "MEMOIZE":
                place = len(self.memo) if argument is None else argument
                if isinstance(stack[-1], _NumpyArray):
                    stack[-1].memo.append(place)
                self.memo[place] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(self.memo[argument])
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE" | "LIST" | "DICT" | "FROZENSET":
                items = self._above_mark()
                made: Any = tuple(items) if opcode == "TUPLE" else items
                if opcode == "DICT":
                    made = self._set_items({}, items)
                elif opcode == "FROZENSET":
                    made = {hashable(item) for item in items}
                self.stack.append(made)
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(opcode[-1])
                if len(stack) < size:
                    raise CheckpointError(DAMAGED)
                stack[-size:] = [tuple(stack[-size:])]
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(CONSTANTS[opcode])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE" | "EMPTY_SET":
                stack.append(EMPTY_CONTAINERS[opcode]())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set_items(stack[-1], [key, value])
            case "SETITEMS":
                items = self._above_mark()
                self._set_items(self.stack[-1], items)
            case "APPEND":
                item = stack.pop()
                self._append(stack[-1], [item])
            case "APPENDS" | "ADDITEMS":
                items = self._above_mark()
                self._append(self.stack[-1], items)
            case "GLOBAL":
                stack.append(Reference(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                if not isinstance(name, str) or not isinstance(module, str):
                    raise CheckpointError(DAMAGED)
                stack.append(Reference(f"{module}.{name}"))
            case "REDUCE" | "NEWOBJ":
                arguments, maker = stack.pop(), stack.pop()
                stack.append(self._make(maker, arguments))
            case "NEWOBJ_EX":
                keywords, arguments, maker = stack.pop(), stack.pop(), stack.pop()
                stack.append(self._make(maker, arguments))
                self._build(keywords)
            case "OBJ":
                maker, *rest = self._above_mark()
                self.stack.append(self._make(maker, tuple(rest)))
            case "INST":
                rest = self._above_mark()
                self.stack.append(self._make(Reference(argument.replace(" ", ".")), tuple(rest)))
            case "BUILD":
                self._build(stack.pop())
            case "BINPERSID":
                if self.storages is None:
                    raise CheckpointError("is a bare pickle that refers to data outside itself")
                stack.append(self.storages.find(stack.pop()))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._above_mark()
            case "DUP":
                stack.append(stack[-1])
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _ if isinstance(argument, str | bytes | int | float) and opcode not in OUTSIDE:
                if isinstance(argument, int) and argument.bit_length() > MOST_BITS:
                    raise CheckpointError(f"holds a whole number of more than {MOST_BITS} bits")
                stack.append(argument)
            case "BYTEARRAY8":
                stack.append(bytes(argument))
            case _:
                raise CheckpointError(f"uses a pickle feature that no model file needs ({opcode})")

    def _above_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _spend(self, size: int) -> None:
        """Count bytes that are copied, or the like, and not brought by the file at this place: a short pickle can ask
        for the same long value a million times."""
        self.budget -= size
        if self.budget < 0:
            raise CheckpointError("unpacks to far more than its size, unlike any model file")

    def _set_items(self, target: Any, items: list[Any]) -> Any:
        if isinstance(target, Record):  # an object of a class derived from dict
            target = target.attributes
        if not isinstance(target, dict) or len(items) % 2:
            raise CheckpointError(DAMAGED)
        for key, value in zip(items[::2], items[1::2]):
            target[hashable(key)] = value
        return target

    def _append(self, target: Any, items: list[Any]) -> None:
        if isinstance(target, Record):  # an object of a class derived from list
            target = target.attributes.setdefault("__items__", [])
        if isinstance(target, set):
            target.update(hashable(item) for item in items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise CheckpointError(DAMAGED)

    def _make(self, maker: object, arguments: object) -> Any:
        """What ``maker``, a name in the file, makes of ``arguments``: plain data where it is known, else a note."""
        if not isinstance(maker, Record) or not isinstance(arguments, tuple):
            raise CheckpointError(DAMAGED)
        name = maker.class_name.replace("__builtin__.", "builtins.").replace("numpy.core.", "numpy._core.")
        module, _, function = name.rpartition(".")
        if module in ("torch._utils", "torch._tensor", "torch.tensor"):
            return self._make_tensor(function, maker, arguments)
        match name, arguments:
            case "collections.OrderedDict" | "builtins.dict" | "collections.Counter", ():
                return {}
            case "collections.OrderedDict" | "builtins.dict" | "collections.Counter", (dict() | list() as items,):
                self._spend(100 * len(items))
                pairs: Iterable[Any] = items.items() if isinstance(items, dict) else items
                return {hashable(key): value for key, value in pairs}
            case "collections.defaultdict", _:
                return {}
            case "builtins.set" | "builtins.frozenset", (list() | tuple() | set() as items,):
                self._spend(100 * len(items))
                return {hashable(item) for item in items}
            case "builtins.list" | "collections.deque", ():
                return []
            case "builtins.list" | "collections.deque", (list() | tuple() as items, *_):
                self._spend(8 * len(items))
                return list(items)
            case "torch.Size" | "builtins.tuple", (list() | tuple() as items,):
                self._spend(8 * len(items))
                return tuple(items)
            case "_codecs.encode", (str() as text, "latin1" | "latin-1"):  # how older protocols write bytes
                self._spend(len(text))
                return text.encode("latin1")
            case "builtins.bytearray" | "builtins.bytes", (bytes() as raw,):
                return raw
            case "copyreg._reconstructor" | "copy_reg._reconstructor", (Record() as made, *_):
                return Record(made.class_name)
            case _ if module == "torch.jit._pickle" and arguments:  # lists of one type, and values with their type
                return arguments[0]
            case "torch.storage._load_from_bytes", (bytes() as content,):
                if self.nested:
                    raise CheckpointError("holds a pickle in a pickle in a pickle")
                self._spend(len(content))
                return read_legacy(content, nested=True)
            case "numpy.dtype", (str() as code, *_):
                return _NumpyType(code)
            case "numpy._core.multiarray._reconstruct", _:
                return _NumpyArray()
            case "numpy._core.multiarray.scalar", (_NumpyType() as dtype, bytes() as raw):
                value = self._array(raw, dtype, (), False)
                return value.item() if isinstance(value, Tensor) else value
            case "numpy._core.numeric._frombuffer", (bytes() as raw, _NumpyType() as dtype, tuple() as shape, order):
                return self._array(raw, dtype, shape, order == "F")
        return Record(maker.class_name, {}, arguments)

    def _make_tensor(self, function: str, maker: Record, arguments: tuple[Any, ...]) -> Any:
        match function, arguments:
            case "_rebuild_tensor" | "_rebuild_tensor_v2", (storage, offset, shape, stride, *rest):
                dtype, metadata = None, rest[2:]
            case "_rebuild_tensor_v3", (storage, offset, shape, stride, _, _, Record() as named, *metadata):
                dtype = named_dtype(named.class_name)
                if not isinstance(storage, Storage):
                    raise CheckpointError(DAMAGED)
                if dtype is None:
                    return Unread(
                        f"a tensor of type {label(re.sub(r'^torch[.]|_.*$', '', named.class_name))}"
                    )  # float8
                storage = Storage(retyped(storage.numbers, dtype))
            case "_rebuild_parameter" | "_rebuild_parameter_with_state", (Tensor() | Unread() as data, *_):
                return data
            case "_rebuild_from_type" | "_rebuild_from_type_v2", (Record() as rebuild, _, tuple() as inner, *_):
                if rebuild.class_name.rpartition(".")[2].startswith("_rebuild_from_type"):
                    raise CheckpointError(DAMAGED)
                return self._make(rebuild, inner)
            case _:
                if function in UNREAD_TENSORS:
                    return Unread(UNREAD_TENSORS[function])
                return Record(maker.class_name, {}, arguments)
        if any(metadata):
            return Unread("a tensor that is a conjugate or negative view")
        tensor = strided(storage, offset, shape, stride, self.budget)
        if isinstance(storage, Storage) and isinstance(tensor, Tensor) and tensor.numel() > len(storage.numbers):
            self._spend(tensor.nbytes)  # what works with it may write it out
        return tensor

    def _build(self, state: object) -> None:
        """Give the object on top of the stack its state."""
        target = self.stack[-1]
        if isinstance(target, _NumpyType):
            match state:
                case (_, "<" | ">" | "|" | "=" as order, *_):
                    target.order = order
        elif isinstance(target, _NumpyArray):
            match state:
                case (_, tuple() as shape, _NumpyType() as dtype, bool() | int() as fortran, bytes() as raw):
                    array = self._array(raw, dtype, shape, bool(fortran))
                case _:
                    array = Unread(unread_array("O"))
            self.stack[-1] = array
            for place in target.memo:
                self.memo[place] = array
        elif isinstance(target, Record):
            parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
            named = [
                part is None or (isinstance(part, dict) and all(isinstance(n, str) for n in part)) for part in parts
            ]
            if all(named):  # __dict__, or that and __slots__
                for part in filter(None, parts):
                    self._spend(100 * len(part) if len(part) > 1000 else 0)
                    target.attributes.update(part)
            else:
                target.attributes["__state__"] = state
        # a dict, set or tensor with attributes (the versions in a state dict's _metadata) is taken without them

    def _array(self, raw: bytes, dtype: _NumpyType, shape: tuple[Any, ...], fortran: bool) -> Any:
        kind = dtype.code.lstrip("<>|=")
        if not re.fullmatch(r"[fiub][1248]|[US]\d{1,6}", kind):
            return Unread(unread_array(kind[:1]))
        numpy_dtype = np.dtype(kind).newbyteorder(cast(Any, dtype.order))
        if len(shape) > 32 or any(type(n) is not int or not 0 <= n < 2**48 for n in shape):
            raise CheckpointError("is damaged or forged: an array has an impossible shape")
        if math.prod(shape) * numpy_dtype.itemsize != len(raw):
            raise CheckpointError("is damaged or forged: an array's shape does not fit its bytes")
        self._spend(len(raw))
        order: Any = "F" if fortran else "C"
        return from_numpy(np.frombuffer(raw, dtype=numpy_dtype).reshape(shape, order=order))


def retyped(numbers: Tensor, dtype: torch.dtype) -> Tensor:
    """Bytes (n,) seen as numbers of a type. Raises `CheckpointError` where they do not divide."""
    if numbers.dtype != torch.uint8 or len(numbers) % dtype.itemsize:
        raise CheckpointError("is damaged: a block of bytes does not divide into numbers")
    return numbers.view(dtype) if len(numbers) else torch.empty(0, dtype=dtype)


def hashable(key: Any) -> Any:
    """``key`` if it may be a key or a member of a set, else a note of its kind.

    Tuples are noted, since hashing nested ones recurses without a bound, and so are tensors, as in an optimizer that
    was pickled whole. No two notes are the same key.
    """
    if key is None or isinstance(key, str | bytes | float | Record) or (isinstance(key, int) and abs(key) < 2**63):
        return key
    return Record(type(key).__name__.strip("_"))


def check_tree(root: Any) -> None:
    """Make a tree one that every walker can go through: where a value contains itself, as a child does that knows its
    parent, a note takes its place.

    Raises `CheckpointError` for a value that is nested too deep, that unfolds to too many values (a list of a list of
    the same list …), or that is no plain data.
    """
    # Post-order with a stack of our own, of values, what they are in, and their parts once these are on the stack: a
    # value is done when all in it are; to meet one that is begun but not done means a circle. The size is that of the
    # unfolded tree, and Python's numbers do not overflow.
    done: dict[int, tuple[int, int]] = {}
    begun: set[int] = set()
    stack: list[tuple[Any, Any, tuple[Any, ...] | None]] = [(root, None, None)]
    while stack:
        value, owner, parts = stack.pop()
        if parts is not None:
            sizes = [done.get(id(part), (1, 1)) for part in parts]
            size, levels = 1 + sum(size for size, _ in sizes), 1 + max((levels for _, levels in sizes), default=0)
            if levels > MOST_LEVELS:
                raise CheckpointError(f"is nested more than {MOST_LEVELS} levels deep")
            if size > MOST_VALUES:
                raise CheckpointError(f"unfolds to more than {MOST_VALUES:,} values, too many for a model file")
            done[id(value)] = size, levels
            begun.discard(id(value))
            continue
        if id(value) in done or value is None or isinstance(value, str | bytes | int | float | Tensor):
            continue
        if id(value) in begun:
            _cut(owner, value)
            continue
        begun.add(id(value))
        parts = _parts(value)
        stack.append((value, owner, parts))
        stack.extend((part, value, None) for part in parts)


def _cut(owner: Any, value: Any) -> None:
    """Put a note where ``owner`` holds ``value``, in which it lies itself. Raises `CheckpointError` for a tuple."""
    places: Any = owner.attributes if isinstance(owner, Record) else owner
    named = places.items() if isinstance(places, dict) else enumerate(places) if isinstance(places, list) else ()
    found = [name for name, part in named if part is value]
    if not found:
        raise CheckpointError("holds a tuple that contains itself")
    for name in found:
        places[name] = Record("what it lies in")


def _parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    if isinstance(value, list | tuple | set):
        return tuple(value)
    if isinstance(value, Record):
        return (*value.attributes.values(), *value.arguments)
    raise CheckpointError("holds tensor storage or an array without a name")


def read_pickle(content: bytes) -> Any:
    """The tree of a bare pickle. Raises `CheckpointError` where it is damaged or costs too much."""
    stream = io.BytesIO(content)
    root = Unpickler(stream, budget=4 * len(content)).load()
    if stream.read(1):
        raise CheckpointError("is damaged: data follow the end of its pickle")
    check_tree(root)
    return root


def read_legacy(content: bytes, nested: bool = False) -> Any:
    """The tree of a PyTorch file from before version 1.6: five pickles in a row, and then the blocks of numbers.

    ``nested`` for one inside a pickle, which may hold a single storage. Raises `CheckpointError` for one that is
    damaged.
    """
    stream = io.BytesIO(content)
    budget = 4 * len(content)
    if Unpickler(stream).load() != LEGACY_MAGIC or Unpickler(stream).load() != LEGACY_PROTOCOL:
        raise CheckpointError("is a PyTorch file of an unsupported version")
    system = Unpickler(stream, budget=budget).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError("is big-endian: save it again on a little-endian machine")
    storages = Storages(lambda _, size: bytearray(size), len(content))  # filled below, once their place is known
    root = Unpickler(stream, storages, budget, nested).load()
    keys = Unpickler(stream, budget=budget).load()
    if not isinstance(keys, list) or any(not isinstance(key, str | int) for key in keys):
        raise CheckpointError(DAMAGED)
    if len({str(key) for key in keys}) != len(keys) or {str(key) for key in keys} != storages.buffers.keys():
        raise CheckpointError("is damaged: its tensors and their storage do not match")
    for key in keys:
        buffer = storages.buffers[str(key)]
        count = int.from_bytes(stream.read(8), "little")
        part = stream.read(len(buffer))
        # the length is in numbers of whatever type the block has
        if len(part) != len(buffer) or count not in {len(buffer) // size for size in (1, 2, 4, 8)}:
            raise CheckpointError("is damaged or cut short: tensor storage is incomplete")
        buffer[:] = part
    if stream.read(1):
        raise CheckpointError("is damaged: data follow the last tensor storage")
    if not (nested and isinstance(root, Storage)):
        check_tree(root)
    return root


def _short(shape: tuple[int, ...]) -> str:
    return label(" × ".join(map(str, shape))) or "()"
