"""Publish a trained network: weights as safetensors, and a card that describes them."""

from pathlib import Path

from omegaconf import OmegaConf
from safetensors.torch import load_file, save

from sgdj.config.nodes import get
from sgdj.jobs.model_metadata import FORMAT, KEY, read_metadata
from sgdj.jobs.plain_yaml import parse_mapping
from sgdj.runtime.contents import Checkpoint, Record, Summary
from sgdj.runtime.text import Markup, markdown, markdown_code, markdown_table
from sgdj.runtime.writing import write_atomically

WEIGHTS = "weights.safetensors"

_CARD = """# {task}: {architecture}, trained with {strategy}

Weights: `{weights}` ({parameters} parameters; safetensors, whose metadata holds the configuration). Evaluate them with
`python run.py mode=evaluate checkpoint={weights}`.

{facts}

## Measured

On the test split, mean over {volumes} volumes. PSNR and SSIM per sample with data range 1, of the magnitude if complex.

{measured}

## Limits

- A research result{synthetic}. Not for clinical use, nor for any decision about a patient or a well.
- Measured with simulated measurements of the configured operator and noise, on one test split. Other scanners,
  sequences, masks, noise or anatomy are shifts; measure each before concluding anything.
- The error under attack is a lower bound of the worst case, found by the attacks that were run; it certifies nothing.
- A reconstruction may look convincing where it is wrong: small structures can vanish or appear.
"""


#: A name and a text with values from the run for each line of the card's first table.
_FACTS = {
    "architecture": "{architecture}, K = {iterations}, learned part {learned}",
    "training": "{strategy}{level}, seed {seed}, {epochs} epochs, scale {scale}",
    "data": "{dataset}, {data}; hash {data_hash}",
    "configuration": "hash {config_hash}",
    "code": "commit {commit}, torch {torch}",
    "trained on": "{device}, {machine}, {threads} threads",
    "command": "{command}",
}


def _number(value: float | None, digits: int) -> str:
    return "—" if value is None else f"{value:.{digits}f}"


def _or_dash(value: object) -> object:
    return "—" if value is None else value


def write_model(folder: Path, checkpoint: Checkpoint, record: Record, summary: Summary) -> None:
    """Write ``weights.safetensors`` and ``README.md``.

    Parameters
    ----------
    folder
        Folder that receives both files.
    checkpoint
        The best checkpoint, as read.
    record
        Content of ``run.json``.
    summary
        Content of ``evaluation/summary.json``.
    """
    folder.mkdir(exist_ok=True)
    config = parse_mapping(str(checkpoint["sgdj_config"]).encode(), "best.ckpt")
    config |= {"run_dir": None, "output_dir": "outputs"}  # paths of the training machine are private
    state = {key.removeprefix("network."): value.contiguous() for key, value in checkpoint["state_dict"].items()}
    text = OmegaConf.to_yaml(OmegaConf.create({"format": FORMAT, "config": config}))
    write_atomically(folder / WEIGHTS, save(state, {KEY: text}))  # one key: the order of several would be random
    rows = [
        (condition, _number(entry["psnr"]["mean"], 2), _number(entry["ssim"]["mean"], 3))
        for condition, entry in summary["network"].items()
    ]
    spans = {"data_hash", "config_hash", "commit", "command"}
    told: dict[str, object] = {
        key: markdown_code(value or "unknown") if key in spans else markdown(value) for key, value in record.items()
    }
    told |= {
        "task": markdown(get(config, "task")),
        "architecture": markdown(get(config, "architecture.name")),
        "strategy": markdown(get(config, "strategy.name")),
        "weights": WEIGHTS,
        "iterations": markdown(_or_dash(get(config, "architecture.iterations"))),
        "learned": markdown(str(_or_dash(get(config, "architecture.learned._target_"))).rsplit(".", 1)[-1]),
        "level": "" if (sigma := get(config, "strategy.sigma")) is None else f" (σ = {sigma:g})",
        "epochs": get(config, "epochs"),
        "scale": get(config, "scale"),
        "dataset": markdown(get(config, "dataset.name")),
        "torch": record["versions"]["torch"],
        "volumes": summary["network"]["clean"]["psnr"]["n_volumes"],
        "synthetic": " on synthetic data" if record["data"] == "synthetic" else "",
    }
    facts = markdown_table(("", ""), [(name, Markup(text.format(**told))) for name, text in _FACTS.items()])
    card = _CARD.format(**told, facts=facts, measured=markdown_table(("condition", "PSNR (dB)", "SSIM"), rows))
    write_atomically(folder / "README.md", card.encode())


def read_model(path: Path) -> Checkpoint:
    """Read weights and configuration from a safetensors file, under the names that a checkpoint has for them.

    Parameters
    ----------
    path
        File of type ``.safetensors``.

    Returns
    -------
    dict
        Content as `read_checkpoint` returns it.

    Raises
    ------
    InputError
        If it is no such file, or was not written by this program.
    """
    content = read_metadata(path)
    return {"state_dict": load_file(path), "sgdj_config": OmegaConf.to_yaml(OmegaConf.create(content["config"]))}
