"""Shared parts of the scripts: one command-line style, errors in one line each, and the origin of their figures."""

import argparse
import csv
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from math import inf
from typing import Any, NoReturn

from sgdj.errors import InputError, RunError
from sgdj.runtime.output import print_error
from sgdj.runtime.text import cell


class WrongValue(argparse.ArgumentTypeError):
    """A value that an option cannot take.

    Parameters
    ----------
    what
        Description of the mistake, in a few words.
    mend
        How to put it right.
    """

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.mend = mend


class Parser(argparse.ArgumentParser):
    """Parser of a script's command line whose mistakes, those behind a verb too, are input errors of one line.

    Parameters
    ----------
    prog
        Command that starts the script.
    text
        Text that `--help` shows above the options: the docstring of the script, or one sentence for a verb.
    **settings
        Further arguments of `argparse.ArgumentParser`.
    """

    def __init__(self, prog: str, text: str | None = None, **settings: Any) -> None:
        settings.setdefault("description", text)
        super().__init__(
            prog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            exit_on_error=False,
            **settings,
        )

    def verbs(self, **descriptions: str) -> dict[str, "Parser"]:
        """Add a parser for each verb of the script; the chosen verb is the attribute `verb` of the parsed arguments.

        Parameters
        ----------
        **descriptions
            One sentence for each verb, shown by `--help` of the script and of the verb.

        Returns
        -------
        dict
            Parser of each verb.
        """
        added = self.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
        return {name: added.add_parser(name, help=text, description=text) for name, text in descriptions.items()}

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the arguments of the script, or those behind a verb.

        Parameters
        ----------
        args
            Arguments to parse; None for those of the process.
        namespace
            Object that receives the values; None for a new one.

        Returns
        -------
        tuple
            Namespace with the values, and an empty list, since every argument must be known.

        Raises
        ------
        InputError
            If an option is unknown or its value is wrong.
        """
        for word in args or () if self._subparsers is None else ():  # argparse would first refuse what follows it
            if word == "--":
                break
            if word.startswith("--") and word.partition("=")[0] not in self._option_string_actions:
                raise self._unknown(word)
        try:
            found, rest = super().parse_known_args(args, namespace)
            many = next((one for one in self._actions if one.nargs == "*" and not one.option_strings), None)
            if many and not any(word.startswith("-") for word in rest):  # argparse leaves those behind an option over
                getattr(found, many.dest).extend(self._get_values(many, rest) if rest else ())
                rest = []
        except argparse.ArgumentError as error:
            raise self._mistake(error) from error
        if rest:
            raise self._unknown(rest[0])
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Raise an input error with argparse's own message.

        Parameters
        ----------
        message
            Message of argparse, such as what is missing.

        Raises
        ------
        InputError
            In every case, with that message.
        """
        raise InputError(message, self.prog, f"see {self.prog} --help")

    def _mistake(self, error: argparse.ArgumentError) -> InputError:
        where = "" if error.argument_name is None else error.argument_name
        if found := re.fullmatch(r"invalid choice: '(.*)' \(choose from (.*)\)", error.message, re.DOTALL):
            names = found[2].replace("'", "")
            return InputError(f"there is no {found[1]!r}", f"{self.prog} {where}", f"choose of {names}")
        mend = getattr(error.__context__, "mend", f"see {self.prog} --help")
        return InputError(error.message, where or self.prog, mend)

    def _unknown(self, word: str) -> InputError:
        name, sign, value = word.partition("=")
        options = [name for name in self._option_string_actions if name.startswith("--")]
        near = get_close_matches(f"--{name.lstrip('-').rpartition('.')[2].replace('_', '-')}", options, 1)
        mend = f"did you mean {near[0]}{' ' if sign else ''}{value}?" if near else f"choose of {', '.join(options)}"
        what = "unknown option" if word.startswith("-") or sign else "an argument too many"
        return InputError(f"{what} {name}", f"{self.prog} {word}", mend)


def numbers(text: str) -> tuple[int, ...]:
    """Read the whole numbers of an option, separated by commas.

    Parameters
    ----------
    text
        Value of the option, such as ``0,1,2``.

    Returns
    -------
    tuple of int
        Numbers in the same order.

    Raises
    ------
    WrongValue
        If one is no whole number of at least zero.
    """
    if not re.fullmatch(r"\d+(,\d+)*", text, re.ASCII):
        raise WrongValue(f"{text!r} are no whole numbers", "write 0,1,2")
    return tuple(map(int, text.split(",")))


def number(kind: type[int] | type[float], least: float = 0, most: float = inf) -> Callable[[str], Any]:
    """Make a reader for the number of an option.

    Parameters
    ----------
    kind
        Type of the number, `int` or `float`.
    least
        Smallest value that is taken; a float must be above it.
    most
        Largest value that is taken; infinity never is.

    Returns
    -------
    Callable
        Function that turns a text into a number; it raises `WrongValue` if it cannot.
    """
    name, limits = ("a whole number", f"from {least:g}") if kind is int else ("a number", f"above {least:g}")
    mend = f"give {name} {limits}{f' to {most:.0f}' if most < inf else ''}"

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError as error:
            raise WrongValue(f"{text!r} is not {name}", mend) from error
        if not (least <= value <= most and value < inf and (kind is int or value > least)):
            raise WrongValue(f"{text} is out of range", mend)
        return value

    return read


def one_of(*names: str) -> Callable[[str], str]:
    """Make a reader for an option that takes one of some names; it raises `WrongValue` for another one."""

    def read(text: str) -> str:
        if text not in names:
            raise WrongValue(f"there is no {text!r}", f"choose of {', '.join(names)}")
        return text

    return read


def some_of(*names: str) -> Callable[[str], tuple[str, ...]]:
    """Make a reader for an option that takes several of some names, separated by commas, as `one_of` does."""
    one = one_of(*names)
    return lambda text: tuple(map(one, text.split(",")))


def print_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a list to standard output as a CSV file, its cells made safe for a spreadsheet."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)


def status(main: Callable[[], int]) -> int:
    """Run a script and return its exit code; an error is printed in one line per mistake."""
    try:
        return main()
    except RunError as error:
        print_error(error)
        return int(error.exit_code)


def origin(prog: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Collect command, commit, machine and versions behind a script's figures.

    Parameters
    ----------
    prog
        Command that starts the script, such as ``python -m scripts.benchmarks.bench``.
    arguments
        Arguments of that command.

    Returns
    -------
    dict
        Origin in plain types, for a JSON file.
    """
    from sgdj.runtime import provenance  # imports torch

    return {
        "command": " ".join([prog, *arguments]),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }
