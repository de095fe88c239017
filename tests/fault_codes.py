"""The codes of `errors[]` and their sentences: python -m tests.fault_codes > volunteer_api/core/fault_codes.json"""

import ast
import importlib
import json
import sys
from typing import Any

from volunteer_api.config import PROJECT_DIRECTORY
from volunteer_api.core.schema import EMPTY, MESSAGES, Fault, fault

PACKAGE = PROJECT_DIRECTORY / "volunteer_api"


def collect() -> dict[str, list[str]]:
    """Each code with its sentences, as English sources."""
    found = {code: {source} for code, source in MESSAGES.items()}
    found["min_length"].add(EMPTY)
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "ault(" not in text:
            continue
        names = vars(importlib.import_module(".".join(path.relative_to(PROJECT_DIRECTORY).with_suffix("").parts)))
        for node in ast.walk(ast.parse(text)):
            if _makes_fault(node, names):
                code, source = (_value(one, names) for one in node.args[:2])
                found.setdefault(code, set()).add(source)
    return {code: sorted(found[code]) for code in sorted(found)}


def _makes_fault(node: ast.AST, names: dict[str, Any]) -> bool:
    """Whether it gives a code its own sentence; those without one are among the common messages."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1):
        return False
    # The schema's own calls hand on what they were given.
    return names.get(node.func.id) in (Fault, fault) and isinstance(node.args[0], ast.Constant)


def _value(node: ast.expr, names: dict[str, Any]) -> str:
    value = eval(compile(ast.Expression(node), "source", "eval"), dict(names))  # our own source
    assert isinstance(value, str)
    return value


if __name__ == "__main__":
    sys.stdout.write(json.dumps(collect(), ensure_ascii=False, indent=2) + "\n")
