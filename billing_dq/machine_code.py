"""Machine code of loops over arrays: made by numba once for each machine, kept in a file, loaded without numba.

To import numba and to have it load what it keeps costs one to two seconds of CPU in each process; LLVM alone loads the
same code in a tenth of that. What is kept can neither fail nor allocate nor call Python: it refers to nothing but the C
library's memory functions, which is asserted when it is made.
"""

import ctypes
import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from billing_dq.errors import SourceError

#: What a parameter is: the dtype of an array, or None for an integer.
Parameter = np.dtype[Any] | None

_NAME = "billing_dq_loop"
_MEMORY_FUNCTIONS = {"memcpy", "memmove", "memset", "memcmp", "bcmp"}
_ENGINES: list[llvm.ExecutionEngine] = []  # code lives as long as its engine


def loaded(
    function: Callable[..., int], parts: Mapping[str, Callable[..., object]], parameters: Sequence[Parameter]
) -> Callable[..., int]:
    """The machine code of a function; an array is passed as its address and its length.

    Args:
        function: takes one-dimensional arrays and integers, and calls nothing but ``parts``.
        parts: the functions that compiled code may call, by name.
        parameters: of the function, in order.

    Raises:
        SourceError: it was not kept, and numba cannot be used here.
    """
    used = _used(function, parts)
    name = f"{function.__module__}.{function.__name__}-{_fingerprint([function, *used.values()])}.o"
    directory = kept_in()
    code = None if directory is None else _read(directory / name)
    if code is None:
        code = _made(function, used, parameters)
        if directory is not None:
            _keep(directory / name, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _ENGINES.append(engine)
    passed: list[Any] = []
    for parameter in parameters:
        passed += [ctypes.c_int64] if parameter is None else [ctypes.c_void_p, ctypes.c_int64]
    # called without the interpreter's lock
    return ctypes.CFUNCTYPE(ctypes.c_int64, *passed)(engine.get_function_address(_NAME))


def checked(function: Callable[..., int], parts: Mapping[str, Callable[..., object]]) -> Callable[..., int]:
    """The function as numba runs it itself, so that it can raise where an index is out of bounds."""
    njit = _numba().njit
    return njit(_with(function, _used(function, parts), njit))


@cache
def kept_in() -> Path | None:
    """The directory in which machine code is kept; None where none can be written.

    That is where ``NUMBA_CACHE_DIR`` says, else beside the code, else in the user's own cache.
    """
    said = os.environ.get("NUMBA_CACHE_DIR")
    own = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for directory in [Path(said)] if said else [Path(__file__).parent / "__pycache__", Path(own) / "billing_dq"]:
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                return directory
    return None


def _used(
    function: Callable[..., object], parts: Mapping[str, Callable[..., object]]
) -> dict[str, Callable[..., object]]:
    """The parts that a function calls, and those that they call."""
    found: dict[str, Callable[..., object]] = {}
    for name in _code(function).co_names:
        part = parts.get(name)
        if part is not None and _globals(function).get(name) is part:
            found |= {name: part, **_used(part, parts)}
    return found


def _fingerprint(functions: Sequence[Callable[..., object]]) -> str:
    """What the machine code of some functions depends on: their source, constants they name, the compiler, the CPU."""
    parts = [_versions(), sys.implementation.cache_tag, sysconfig.get_platform(), llvm.get_host_cpu_name(), _features()]
    parts.append(_source(__file__))
    for function in functions:
        parts += [_source(_code(function).co_filename), repr(sorted(_constants(function)))]
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def _constants(function: Callable[..., object]) -> Iterator[tuple[str, str]]:
    """The numbers that a function names, its own module's and those of other modules."""
    names = _code(function).co_names
    for name in names:
        value = _globals(function).get(name)
        of_it = {name: value}
        if isinstance(value, ModuleType):
            of_it = {f"{name}.{one}": getattr(value, one, None) for one in names}
        yield from (
            (one, repr(number)) for one, number in of_it.items() if isinstance(number, int | float | np.generic)
        )


@cache
def _source(path: str) -> str:
    return Path(path).read_text()


@cache
def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{version('numba')} {llvmlite.__version__}"
    except PackageNotFoundError:
        return llvmlite.__version__


def _features() -> str:
    return llvm.get_host_cpu_features().flatten()


@cache
def _machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=3, codemodel="jitdefault"
    )


def _read(path: Path) -> bytes | None:
    """The code that is kept in a file; None where there is none, or it is not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if sha256(code).digest() == digest else None


def _keep(path: Path, code: bytes) -> None:
    with suppress(OSError), tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(sha256(code).digest() + code)
        file.close()
        Path(file.name).replace(path)


def _made(
    function: Callable[..., int], used: Mapping[str, Callable[..., object]], parameters: Sequence[Parameter]
) -> bytes:
    """Compile: numba makes LLVM's code of a C function around the loop, LLVM makes one function of it."""
    numba = _numba()
    # no array is made, so that none need be counted: counting would be three quarters of the time of a walk
    jit = numba.njit(_nrt=False, forceinline=True)
    inner = jit(_with(function, used, jit))
    passed, given, kinds = [], [], []
    for number, parameter in enumerate(parameters):
        if parameter is None:
            passed.append(f"n{number}")
            given.append(f"n{number}")
            kinds.append(numba.types.int64)
        else:
            passed.append(f"p{number}, n{number}")
            given.append(f"carray(p{number}, (n{number},))")
            kinds += [numba.types.CPointer(numba.from_dtype(parameter)), numba.types.int64]
    made: dict[str, Any] = {"inner": inner, "carray": numba.carray}
    exec(f"def outer({', '.join(passed)}):\n    return inner({', '.join(given)})", made)
    outer = numba.cfunc(numba.types.int64(*kinds))(made["outer"])
    module = llvm.parse_assembly(outer.inspect_llvm())
    module.get_function(outer.native_name).name = _NAME
    for one in module.functions:
        if not one.is_declaration and one.name != _NAME:
            one.linkage = "internal"
    builder = llvm.create_pass_builder(_machine(), llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    foreign = {one.name for one in [*module.functions, *module.global_variables] if one.is_declaration}
    foreign = {one for one in foreign if not one.startswith("llvm.")} - _MEMORY_FUNCTIONS
    if foreign:
        raise AssertionError(f"{function.__name__} can fail or allocate: its machine code refers to {sorted(foreign)}")
    return _machine().emit_object(module)


def _with(
    function: Callable[..., object], used: Mapping[str, Callable[..., object]], jit: Callable[[Any], Any]
) -> FunctionType:
    """The function with its parts as numba calls them."""
    compiled: dict[str, Any] = {}

    def replaced(one: Callable[..., object]) -> FunctionType:
        for name in _code(one).co_names:
            if name in used and name not in compiled and _globals(one).get(name) is used[name]:
                compiled[name] = jit(replaced(used[name]))
        own = {name: part for name, part in compiled.items() if name in _code(one).co_names}
        return FunctionType(_code(one), _globals(one) | own, one.__name__)

    return replaced(function)


def _code(function: Callable[..., object]) -> Any:
    return function.__code__


def _globals(function: Callable[..., object]) -> dict[str, Any]:
    return function.__globals__


def _numba() -> Any:
    try:
        import numba
    except ImportError as error:
        raise SourceError(
            f"MongoDB is read by code that numba compiles, and numba cannot be used here: {error}"
        ) from None
    return numba
