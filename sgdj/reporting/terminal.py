"""Show the results of a run on the terminal."""

from rich.console import Console
from rich.table import Table

from sgdj.runtime.contents import Summary
from sgdj.runtime.text import plus_minus, printable


def _cell(entry: Summary) -> str:
    if entry["mean"] is None:
        return "—"
    return plus_minus(entry["mean"], entry["std"], 2)


def _ratio(part: float | None, whole: float | None) -> float | None:
    """Divide one mean by another; None where either is missing."""
    return part / whole if part is not None and whole else None


def _gain(network: float | None, start: float | None) -> str:
    """Say by how much the network is better; empty where a PSNR is not a number."""
    return "—" if network is None or start is None else f"{network - start:+.2f}"


def result_cells(summary: Summary) -> tuple[tuple[str, ...], list[tuple[str, ...]], str]:
    """Write conditions by PSNR and SSIM, the starting point beside the network, as cells of a table.

    Parameters
    ----------
    summary
        Means by reconstructor, condition and metric.

    Returns
    -------
    tuple
        Titles of the columns, rows, and what the means are over.
    """
    reconstructors = ("x0", "network")
    titles = [title for name in reconstructors for title in (f"{name} PSNR (dB)", "SSIM")]
    rows = []
    for condition, network in summary["network"].items():
        start = summary["x0"][condition]
        rho = _ratio(network["delta_norm"]["mean"], network["y_norm"]["mean"])
        cells = [condition, "—" if rho is None else f"{rho:.3f}" if rho else ""]
        for entry in (start, network):
            ssim = entry["ssim"]["mean"]
            cells += [_cell(entry["psnr"]), "—" if ssim is None else f"{ssim:.3f}"]
        rows.append((*cells, _gain(network["psnr"]["mean"], start["psnr"]["mean"])))
    clean = summary["network"]["clean"]["psnr"]
    caption = f"mean ± std over {clean['n_volumes']} volumes ({clean['n_samples']} samples)"
    shares = (entry.get("replaced", {}).get("mean") for entry in summary["network"].values())
    taken = [share for share in shares if share]
    if taken:
        caption += f"; up to {100 * max(taken):.0f} % of a condition's δ were found at a smaller budget"
    return ("condition", "‖δ‖/‖y‖", *titles, "gain (dB)"), rows, caption


def result_table(summary: Summary, title: str) -> Table:
    """Make the table of `result_cells` for the terminal."""
    header, rows, caption = result_cells(summary)
    table = Table(title=printable(title), title_justify="left", caption=caption, caption_justify="left")
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i else "left")
    for row in rows:
        table.add_row(*map(printable, row))
    return table


def show(table: Table, whole: bool = False) -> None:
    """Print a table to standard output, at full width where there is no terminal.

    Parameters
    ----------
    table
        Table to print.
    whole
        Whether every row stays on one line however long it is; a terminal breaks it, and copies it unbroken.
    """
    console = Console(markup=False, emoji=False)  # names may contain brackets and colons
    width = 120 if not console.is_terminal else console.width
    if whole:
        width = max(width, Console(width=10**6).measure(table).maximum)
    Console(width=width, markup=False, emoji=False).print(table)
