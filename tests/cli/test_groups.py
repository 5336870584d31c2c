"""Options in groups: the same command line, fewer parameters."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from rsir_fast.cli import app
from rsir_fast.cli.groups import with_groups


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option("--width", min=1, help="In pixels.")] = 3
    height: int = 2


@dataclass(frozen=True)
class Large(Size):
    width: Annotated[int, typer.Option("--width", min=1, help="In pixels.")] = 30
    deep: bool = False


def run(kind, *words):
    def area(*, name: Annotated[str, typer.Argument()], size, loud: bool = False) -> None:
        typer.echo(f"{name} {size} {loud}")

    area.__annotations__["size"] = kind
    program = typer.Typer()
    program.command()(with_groups(area))
    return CliRunner().invoke(program, list(words))


def test_fields_are_options_in_their_place():
    assert run(Size, "a").stdout == "a Size(width=3, height=2) False\n"
    assert run(Size, "a", "--width", "5", "--height", "4", "--loud").stdout == "a Size(width=5, height=4) True\n"
    shown = run(Size, "--help").stdout
    assert 0 < shown.index("--width") < shown.index("--height") < shown.index("--loud")
    assert "In pixels." in shown


def test_a_field_may_have_another_default_in_a_class_of_its_own():
    assert run(Large, "a", "--deep").stdout == "a Large(width=30, height=2, deep=True) False\n"


def test_what_typer_knows_of_a_field_is_kept():
    refused = run(Size, "a", "--width", "0")
    assert refused.exit_code == 2
    assert "--width" in refused.output


def commands():
    def look(group, before):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from look(command, f"{before}{name} ")
            else:
                yield before + name, command

    return dict(look(typer.main.get_command(app), ""))


@pytest.mark.parametrize("name", commands())
def test_no_command_has_many_parameters(name):
    function = inspect.unwrap(commands()[name].callback)
    assert len(inspect.signature(function).parameters) <= 12
