"""What a process goes on with: the variables of the product's code where it stopped, as far as it still needs them.

Two processes that stopped at the same place with equal variables go on alike, even where they had other answers before.
What an expression holds half-way is not seen; it must come from variables of its statement, as it does in the code that
is explored here.
"""

import ast
import dataclasses
import dis
import functools
import types
from collections.abc import Hashable, Iterator
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

_PRODUCT = "webadmit_exports."
_PURE = "webadmit_exports.domain."  # frozen values, which compare by what they hold
_PLAIN = (str, int, float, bytes, datetime, timedelta, Enum, type, types.CodeType)
_GOES_ELSEWHERE = ("RETURN", "JUMP_FORWARD", "JUMP_BACKWARD", "RAISE", "RERAISE")


def continuation(stopped: BaseException) -> Hashable:
    """The places and the variables of all functions of the product that the exception has come through."""
    found = []
    for frame, position in _places(stopped.__traceback__):
        names = _names_needed(frame.f_code, position)
        variables = tuple((name, _value(value, [])) for name, value in frame.f_locals.items() if name in names)
        found.append((frame.f_code, position, variables))
    return tuple(found)


def _places(traceback: types.TracebackType | None) -> Iterator[tuple[types.FrameType, int]]:
    while traceback:
        if traceback.tb_frame.f_globals.get("__name__", "").startswith(_PRODUCT):
            yield traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next


@functools.cache
def _names_needed(code: types.CodeType, position: int) -> frozenset[str]:
    """The variables that the statement there reads, those that some way from there on reads, and those of loops.

    Those of loops tell how far they are; but for `_`, which says that nobody looks at it: how often a write is tried
    again is bounded by a number that is never reached here.
    """
    bytecode = dis.Bytecode(code)
    instructions = list(bytecode)
    places = {one.offset: number for number, one in enumerate(instructions)}
    start = max(number for number, one in enumerate(instructions) if one.offset <= position)
    here = instructions[start].positions
    first, last = _statement(code.co_filename, here.lineno if here and here.lineno else 0)
    names = set(_counted_by_loops(instructions))
    for one in instructions:
        if one.positions and one.positions.lineno and first <= one.positions.lineno <= last:
            names.update(_read_by(one))
    reached: set[int] = set()
    ahead = [start + 1, *_handlers(bytecode, position, places)]
    while ahead:
        number = ahead.pop()
        if number in reached or number >= len(instructions):
            continue
        reached.add(number)
        one = instructions[number]
        names.update(_read_by(one))
        ahead += _handlers(bytecode, one.offset, places)
        if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
            ahead.append(places[one.argval])
        if not one.opname.startswith(_GOES_ELSEWHERE):
            ahead.append(number + 1)
    return frozenset(names - {"_"})


def _counted_by_loops(instructions: list[dis.Instruction]) -> Iterator[str]:
    """What FOR_ITER gives is stored at once, one variable or several."""
    is_of_loop = False
    for one in instructions:
        is_of_loop = one.opname == "FOR_ITER" or (is_of_loop and one.opname.startswith(("UNPACK", "STORE")))
        if is_of_loop and one.opname.startswith("STORE"):
            yield from _names(one)


def _read_by(one: dis.Instruction) -> tuple[str, ...]:
    return _names(one) if "LOAD" in one.opname else ()  # such as STORE_FAST_LOAD_FAST


def _names(one: dis.Instruction) -> tuple[str, ...]:
    return one.argval if isinstance(one.argval, tuple) else (str(one.argval),)


def _handlers(bytecode: dis.Bytecode, offset: int, places: dict[int, int]) -> list[int]:
    """Where an exception that is raised there is caught."""
    entries = bytecode.exception_entries  # type: ignore[attr-defined]
    return [places[one.target] for one in entries if one.start <= offset < one.end]


def _statement(path: str, line: int) -> tuple[int, int]:
    """The first and the last line of the innermost statement on that line."""
    around = [(first, last) for first, last in _statements(path) if first <= line <= last]
    return min(around, key=lambda lines: lines[1] - lines[0])


@functools.cache
def _statements(path: str) -> list[tuple[int, int]]:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return [(one.lineno, one.end_lineno or one.lineno) for one in ast.walk(tree) if isinstance(one, ast.stmt)]


def _is_of_product(generator: "types.GeneratorType[Any, Any, Any]") -> bool:
    return "webadmit_exports" in generator.gi_code.co_filename


def _value(value: Any, above: list[int]) -> Any:
    """Equal for variables that are: `above` are the objects that it is a part of."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if type(value).__module__.startswith(_PURE) and not isinstance(value, BaseException):
        return value
    if id(value) in above:
        return above.index(id(value))
    above = [*above, id(value)]
    if isinstance(value, types.FunctionType):
        return (value.__code__, tuple(_value(cell.cell_contents, above) for cell in value.__closure__ or ()))
    if isinstance(value, types.MethodType):
        return (value.__func__.__code__, _value(value.__self__, above))
    if isinstance(value, dict):
        return tuple((_value(key, above), _value(one, above)) for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return (type(value).__name__, tuple(_value(one, above) for one in value))
    if isinstance(value, BaseException):
        return (type(value), _value(value.args, above), _value(vars(value), above), _value(value.__cause__, above))
    if isinstance(value, functools.partial) or (isinstance(value, types.GeneratorType) and _is_of_product(value)):
        raise TypeError(f"how far {value} is cannot be told")
    if not type(value).__module__.startswith(_PRODUCT):
        return type(value)  # the model's ports, locks, modules: they have no state of the process
    if dataclasses.is_dataclass(value):
        names = [one.name for one in dataclasses.fields(value)]
        return (type(value), tuple(_value(getattr(value, name), above) for name in names))
    return (type(value), _value(vars(value), above))
