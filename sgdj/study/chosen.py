"""Keep what a protocol's stages chose, with the reasons, in a file that is committed; a choice is made once."""

import json
from dataclasses import asdict
from pathlib import Path

import yaml
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sgdj.config.types import STRICT, Count, NonEmpty, Positive
from sgdj.errors import InputError
from sgdj.jobs.plain_yaml import parse_mapping
from sgdj.runtime.writing import write_atomically

_HEAD = "# What was chosen on validation data, and why; written by scripts/tables.py run, never made anew.\n"


@dataclass(config=STRICT, frozen=True, kw_only=True)
class RegimeChoice:
    """Regime of all later stages.

    Parameters
    ----------
    candidate, overrides
        Name of the candidate, and what it changes in a training.
    rho
        Budget of the attack, relative to the norm of the measurement.
    shift, noise
        Shift, and multiple of the noise in training, of the claims.
    reason
        Why it was chosen.
    costs
        What it costs the baseline on validation data, in dB of PSNR.
    epsilon_over_error
        Norm of the perturbation over that of the clean error.
    gain
        Growth of the error's norm under attack over the norm of the perturbation.
    """

    candidate: NonEmpty
    overrides: list[NonEmpty]
    rho: Positive
    shift: NonEmpty
    noise: Positive
    reason: NonEmpty
    costs: dict[str, float]
    epsilon_over_error: float
    gain: float


@dataclass(config=STRICT, frozen=True, kw_only=True)
class AttackChoice:
    """Steps of the attack, and why so many."""

    steps: Count
    reason: NonEmpty


@dataclass(config=STRICT, frozen=True, kw_only=True)
class LevelChoice:
    """Candidate of one network.

    Parameters
    ----------
    overrides
        What it changes.
    extended
        Levels that were tried beyond those of the file.
    score
        Mean of clean, attacked and noisy PSNR in dB on validation data, mean over seeds.
    reason
        Why it was chosen.
    """

    overrides: list[NonEmpty]
    extended: list[Positive]
    score: float
    reason: NonEmpty


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Choices:
    """Content of the file; levels by part and label, such as ``gd/MSE``; the protocol by the SHA-256 of its file."""

    protocol: NonEmpty | None = None
    regime: RegimeChoice | None = None
    attack: AttackChoice | None = None
    levels: dict[str, LevelChoice] = Field(default_factory=dict)


class Chosen:
    """Choices that were made, and the file that keeps them.

    Parameters
    ----------
    path
        File of the choices; it need not be there.
    protocol
        SHA-256 of the protocol's file, kept with the first choice; None to ask for no protocol in particular.

    Raises
    ------
    InputError
        If the file is damaged, or another protocol made the choices.
    """

    def __init__(self, path: Path, protocol: str | None = None) -> None:
        self.path, self._protocol = path, protocol
        loaded = parse_mapping(path.read_bytes(), str(path)) if path.is_file() else {}
        try:
            self.made: Choices = TypeAdapter(Choices).validate_json(json.dumps(loaded))
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))
            raise InputError(f"no choice ({place})", str(path), "restore the file, for example with git") from error
        if protocol is not None and self.made.protocol not in (None, protocol):
            mend = f"restore the file whose SHA-256 is {self.made.protocol}, or begin a study with another name"
            raise InputError("another protocol made these choices", str(path), mend)

    @property
    def regime(self) -> RegimeChoice:
        """The regime, once it was chosen."""
        assert self.made.regime is not None
        return self.made.regime

    @property
    def attack(self) -> AttackChoice:
        """The attack, once it was chosen."""
        assert self.made.attack is not None
        return self.made.attack

    @property
    def levels(self) -> dict[str, LevelChoice]:
        """Levels that were chosen so far, by part and label."""
        return self.made.levels

    def settle(self, choice: RegimeChoice | AttackChoice | LevelChoice, name: str = "") -> None:
        """Write a choice down.

        Parameters
        ----------
        choice
            What was chosen, with its reason.
        name
            Part and label of a level.

        Raises
        ------
        InputError
            If another one was made before.
        """
        kind = {RegimeChoice: "regime", AttackChoice: "attack"}.get(type(choice), f"levels.{name}")
        before = self.levels.get(name) if isinstance(choice, LevelChoice) else getattr(self.made, kind)
        if before == choice:
            return
        if before is not None:
            mend = "restore the rows that it was made from, or begin a study with another name"
            raise InputError(f"the rows now lead to another choice of {kind}", str(self.path), mend)
        content = asdict(self.made)
        content["protocol"] = content["protocol"] or self._protocol
        if isinstance(choice, LevelChoice):
            content["levels"][name] = asdict(choice)
        else:
            content[kind] = asdict(choice)
        self.made = TypeAdapter(Choices).validate_json(json.dumps(content))
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        write_atomically(self.path, (_HEAD + text).encode())
