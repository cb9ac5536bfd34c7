"""What scripts share: settings KEY=VALUE, mistakes told in one line each, and where their figures come from."""

from collections.abc import Callable, Sequence
from typing import Any

from sgdj.errors import InputError, RunError, print_error


def key_values(arguments: Sequence[str], defaults: dict[str, Any]) -> dict[str, Any]:
    """The defaults, with what the arguments change.

    Parameters
    ----------
    arguments
        Each ``key=value``; an empty value keeps the default.
    defaults
        Every key there is, with a string, integer, float or boolean.

    Raises
    ------
    InputError
        If a key is unknown, or a value is of another type.
    """
    found = dict(defaults)
    for argument in arguments:
        key, sign, text = argument.partition("=")
        if not sign or key not in defaults:
            raise InputError(f"unknown setting {key}", argument, f"choose of {', '.join(defaults)}")
        kind = type(defaults[key])
        if not text:
            continue
        try:
            found[key] = {"true": True, "false": False}[text] if kind is bool else kind(text)
        except (ValueError, KeyError) as error:
            names = {int: "a whole number", float: "a number", bool: "true or false"}
            raise InputError(f"{text!r} is not {names[kind]}", argument, "give one") from error
    return found


def status(main: Callable[[], int]) -> int:
    """Exit code of a script; an error is told in one line per mistake."""
    try:
        return main()
    except RunError as error:
        print_error(error)
        return int(error.exit_code)


def origin(script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Command, commit, machine and versions behind a script's figures."""
    from sgdj.runtime import provenance  # imports torch

    return {
        "command": " ".join(["python", f"scripts/{script}.py", *arguments]),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
