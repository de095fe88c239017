"""The laws of the house that import-linter can't state."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from volunteer_api.app import FEATURES, create_app
from volunteer_api.core.access import Access
from volunteer_api.core.problems import Problem

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "volunteer_api"
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [feature.__name__.split(".")[1] for feature in FEATURES]
# What is not one of the application's own operations: documentation, probes, metrics, the framework's, and inert pages
# for a browser that scanned a code.
PUBLIC_SITES = {"health", "metrics", "swagger_ui", "team_pages"}


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {relative(path): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def test_the_layers_contract_is_the_order_of_features() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert contract["exhaustive"]
    assert contract["layers"] == ["cli", "backups", "simulation", "demo", "app", *reversed(NAMES), "core", "config"]


def test_imports_only_run_to_the_left() -> None:
    lint = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert lint.returncode == 0, lint.stdout


def test_no_feature_imports_anothers_endpoints(trees: dict[str, ast.Module]) -> None:
    offenders = [
        (name, imported)
        for name, tree in trees.items()
        if name != "app.py"
        for _, imported in imports(tree)
        if re.match(r"volunteer_api\.\w+\.endpoints", imported)
    ]
    assert offenders == []


def test_imports_stand_at_the_top(trees: dict[str, ast.Module]) -> None:
    offenders = [
        (name, imported)
        for name, tree in trees.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for _, imported in imports(function)
    ]
    assert offenders == []


def test_only_core_commits(trees: dict[str, ast.Module]) -> None:
    def commits(tree: ast.Module) -> bool:
        return any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
            for node in ast.walk(tree)
        )

    assert [name for name, tree in trees.items() if commits(tree)] == ["core/unit_of_work.py"]


def test_time_comes_from_the_clock(trees: dict[str, ast.Module]) -> None:
    offenders = [
        name
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("now", "utcnow", "today")
        and isinstance(node.value, ast.Name)
        and node.value.id in ("datetime", "date")
    ]
    assert offenders == ["core/clock.py"]


@pytest.mark.parametrize("room", ["service", "queries", "schemas", "models"])
def test_the_inner_rooms_know_no_request(trees: dict[str, ast.Module], room: str) -> None:
    offenders = [
        (name, imported)
        for name, tree in trees.items()
        if name.endswith(f"/{room}.py") and not name.startswith("core/")
        for _, imported in imports(tree)
        if imported.split(".")[0] in ("flask", "werkzeug", "flask_jwt_extended")
    ]
    assert offenders == []


def test_schemas_know_no_database(trees: dict[str, ast.Module]) -> None:
    offenders = [
        (name, imported)
        for name, tree in trees.items()
        if name.endswith("/schemas.py")
        for _, imported in imports(tree)
        if imported.startswith("sqlalchemy") or imported.endswith((".db", ".models"))
    ]
    assert offenders == []


def test_views_do_not_query(trees: dict[str, ast.Module]) -> None:
    offenders = [
        name
        for name, tree in trees.items()
        if name.endswith("/endpoints.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "select"
    ]
    assert offenders == []


def test_relationships_load_nothing_by_surprise(trees: dict[str, ast.Module]) -> None:
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "relationship":
                lazy = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}.get("lazy")
                assert lazy == "'raise'", name
                assert not any(isinstance(argument, ast.Constant) for argument in node.args), name


def test_no_file_is_too_long_to_read() -> None:
    assert [relative(path) for path in MODULES if len(path.read_text().splitlines()) > 500] == []


def test_every_operation_declares_access() -> None:
    application = create_app()
    undeclared = [
        rule.endpoint
        for rule in application.url_map.iter_rules()
        if rule.endpoint.split(".")[0] not in PUBLIC_SITES
        and not isinstance(getattr(application.view_functions[rule.endpoint], "access", None), Access)
    ]
    assert undeclared == []


def test_every_refusal_has_its_own_code_and_status() -> None:
    create_app()
    for code, problem in Problem.known.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
        assert 400 <= problem.status < 600
        assert problem.title.endswith("."), code


def test_nothing_names_a_package_registry() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = re.compile("|".join(["py" + r"pi\.org", "python" + "hosted", r"registry\.npm" + "js"]))
    assert [name for name in tracked if hosts.search((ROOT / name).read_text(errors="replace"))] == []
