"""Execute a protocol: list the runs that its next stage needs, and choose regime, attack and levels from their rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN, Key
from sgdj.study.chosen import AttackChoice, Chosen, LevelChoice, RegimeChoice
from sgdj.study.design import Cell, composed
from sgdj.study.ledger import Ledger, Step, joined
from sgdj.study.margins import gains
from sgdj.study.protocol_file import Network, Part, Protocol
from sgdj.study.rows import Row, matrix

ATTACKED = Key("apgd", 1.0)
_NOISE = "noise_level"
_SCORED = ("clean", "attacked", "noisy")
#: Of every run: one thread, since several run side by side, and nothing that no row shows.
_COMMON = (
    "trainer.threads=1", "logger=none", "attack=apgd", "evaluation.pgd_steps=null", "evaluation.panels=0",
    "evaluation.sweep=independent",
)  # fmt: skip
#: Evaluation of a network on the images that it was trained on; the attack is left out.
_ON_TRAINING = ("evaluation.split=train", "evaluation.curve=[]", "attack=gaussian")


def on_training(cell: Cell) -> Cell:
    """Return the evaluation of a network on the images that it was trained on."""
    return Cell("", _ON_TRAINING, cell)


def _listed(values: Sequence[object]) -> str:
    return "[" + ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values) + "]"


@dataclass(frozen=True)
class Costs:
    """What a regime costs the baseline on validation data, in dB of PSNR, mean over seeds.

    Parameters
    ----------
    name
        Name of the candidate.
    attack, shift, noise
        Cost by budget, by shift, and by multiple of the noise.
    generalisation
        Gain over the starting point on the training images minus that on validation data.
    relative, gain
        By budget: norm of the perturbation over that of the clean error, and growth of the error's norm over the
        perturbation's.
    """

    name: str
    attack: dict[float, float]
    shift: dict[str, float]
    noise: dict[float, float]
    generalisation: float
    relative: dict[float, float]
    gain: dict[float, float]


@dataclass(frozen=True)
class Picked:
    """Budget, shift and noise level that the rule picks for a candidate, and by what share each target is missed."""

    budget: float
    shift: str
    noise: float
    misses: dict[str, float]

    @property
    def square(self) -> float:
        """Sum of the squared misses; zero if the candidate fits."""
        return sum(miss**2 for miss in self.misses.values())


def _miss(value: float, low: float, high: float = math.inf) -> float:
    """Return by what share a value misses an interval."""
    return max((low - value) / low if low else 0.0, (value - high) / high, 0.0)


class Study:
    """A protocol with the rows that are there and the choices that were made.

    Parameters
    ----------
    protocol
        What the file says.
    ledger
        Rows that are there.
    chosen
        Choices; new ones are written.
    parts
        Names of the parts that are to be done; none for all.
    """

    def __init__(self, protocol: Protocol, ledger: Ledger, chosen: Chosen, parts: Sequence[str] = ()) -> None:
        self.protocol, self.ledger, self.chosen = protocol, ledger, chosen
        self.parts = [part for part in protocol.parts if not parts or part.name in parts]

    def _cell(self, seed: int, *groups: Sequence[str]) -> Cell:
        lines = joined(_COMMON, [f"scale={self.protocol.scale}"], self.protocol.overrides, *groups)
        return Cell("", (*lines, f"seed={seed}"))

    # ------------------------------------------------------------------------------------------------- regime

    @cached_property
    def candidates(self) -> dict[str, list[Cell]]:
        """Trainings of each candidate for the regime, one per seed."""
        regime = self.protocol.regime
        measured = (
            "evaluation.split=val",
            f"shift={_listed([_NOISE, *regime.shifts])}",
            f"evaluation.shift_levels={{{_NOISE}: {_listed(regime.noise)}}}",
            f"evaluation.curve={_listed([factor for factor in regime.budgets if factor != 1])}",
        )
        return {
            one.name: [
                self._cell(seed, regime.overrides, one.overrides, measured) for seed in self.protocol.seeds.regime
            ]
            for one in regime.candidates
        }

    def _regime(self) -> Iterator[Step]:
        cells = [cell for group in self.candidates.values() for cell in group]
        yield Step("regime", cells)
        yield Step("regime-train", [on_training(cell) for cell in cells])
        self.chosen.settle(self._choose_regime())

    def costs(self) -> list[Costs]:
        """Return what each candidate costs; one that failed is left out."""
        regime, found = self.protocol.regime, []
        for name, cells in self.candidates.items():
            rows = self.ledger.found("regime", cells)
            trained = self.ledger.found("regime-train", [on_training(cell) for cell in cells])
            if len(rows) < len(cells) or len(trained) < len(cells):
                continue
            entries = _entries(cells[0])

            def cost(key: Key, rows: list[Row] = rows) -> float:
                return float(np.mean([row.mean(CLEAN) - row.mean(key) for row in rows]))

            attack = {factor: Key("apgd", float(factor)) for factor in regime.budgets}
            error = {
                key: math.sqrt(entries * float(np.mean([row.budgets[key]["loss"] for row in rows])))
                for key in (CLEAN, *attack.values())
            }
            size = {f: float(np.mean([row.budgets[key]["epsilon"] for row in rows])) for f, key in attack.items()}
            found.append(
                Costs(
                    name,
                    {factor: cost(key) for factor, key in attack.items()},
                    {shift: cost(Key(shift=shift)) for shift in regime.shifts},
                    {level: cost(Key(shift=_NOISE, level=float(level))) for level in regime.noise},
                    float(gains(trained).mean() - gains(rows).mean()),
                    {factor: size[factor] / error[CLEAN] for factor in attack},
                    {factor: (error[key] - error[CLEAN]) / size[factor] for factor, key in attack.items()},
                )
            )
        if not found:
            raise InputError("every candidate failed", "regime.candidates", "see the runs' own messages")
        return found

    def picked(self, costs: Costs) -> Picked:
        """Return budget, shift and noise level that the rule picks for a candidate, and how far it misses."""
        targets = self.protocol.regime.targets
        budget = min(costs.attack, key=lambda factor: abs(costs.attack[factor] - targets.aim))
        enough = [shift for shift, cost in costs.shift.items() if cost >= targets.shift]
        shift = enough[0] if enough else max(costs.shift, key=lambda name: costs.shift[name])
        middle = sum(targets.noise) / 2
        noise = min(costs.noise, key=lambda level: abs(costs.noise[level] - middle))
        misses = {
            "attack": _miss(costs.attack[budget], *targets.attack),
            "shift": _miss(costs.shift[shift], targets.shift),
            "noise": _miss(costs.noise[noise], *targets.noise),
            "generalisation": _miss(costs.generalisation, targets.generalisation),
        }
        return Picked(budget, shift, noise, misses)

    def _choose_regime(self) -> RegimeChoice:
        every = [(one, self.picked(one)) for one in self.costs()]
        fitting = [pair for pair in every if not pair[1].square]
        one, picked = fitting[0] if fitting else min(every, key=lambda pair: pair[1].square)
        overrides = next(c.overrides for c in self.protocol.regime.candidates if c.name == one.name)
        unit = float(next(o for o in self.protocol.regime.overrides if o.startswith("attack.rho=")).partition("=")[2])
        if fitting:
            why = f"{len(fitting)} of {len(every)} candidates fit; the first of them is taken"
        else:
            missed = ", ".join(name for name, miss in picked.misses.items() if miss)
            why = f"none of {len(every)} candidates fits; the one that misses least is taken, it misses {missed}"
        costs = {
            "attack": one.attack[picked.budget],
            "shift": one.shift[picked.shift],
            "noise": one.noise[picked.noise],
            "generalisation": one.generalisation,
        }
        return RegimeChoice(
            candidate=one.name,
            overrides=list(overrides),
            rho=round(unit * picked.budget, 6),
            shift=picked.shift,
            noise=float(picked.noise),
            reason=why,
            costs={name: round(cost, 3) for name, cost in costs.items()},
            epsilon_over_error=round(one.relative[picked.budget], 4),
            gain=round(one.gain[picked.budget], 4),
        )

    # ------------------------------------------------------------------------------------------------- attack

    def _attack_cells(self, steps: int) -> list[Cell]:
        regime = self.chosen.regime
        lines = (f"attack.rho={regime.rho:g}", f"attack.steps={steps}", "evaluation.curve=[]")
        return [Cell("", lines, cell) for cell in self.candidates[regime.candidate]]

    def losses(self) -> dict[int, float]:
        """Return the loss of the regime's baseline under the attack, by its steps, as far as it was measured."""
        found = {}
        for steps in self.protocol.attack.steps:
            rows = self.ledger.found("attack", self._attack_cells(steps))
            if rows:
                found[steps] = float(np.mean([row.budgets[ATTACKED]["loss"] for row in rows]))
        return found

    def _attack(self) -> Iterator[Step]:
        rule = self.protocol.attack
        for steps, double in zip(rule.steps, rule.steps[1:], strict=False):
            yield Step("attack", [*self._attack_cells(steps), *self._attack_cells(double)])
            loss = self.losses()
            if not {steps, double} <= loss.keys():
                raise InputError("the regime's networks cannot be attacked", "attack", "see the runs' own messages")
            more = loss[double] / loss[steps] - 1
            if more < rule.gain:
                why = f"{double} steps add {100 * more:.2f} % to the loss"
                self.chosen.settle(AttackChoice(steps=steps, reason=why))
                return
        why = f"even {double} steps add {100 * more:.2f} % to the loss of {steps}; the most that were tried are taken"
        self.chosen.settle(AttackChoice(steps=double, reason=why))

    # ------------------------------------------------------------------------------------------------- levels

    def _level_cell(self, part: Part, network: Network, option: Sequence[str], seed: int) -> Cell:
        regime = self.chosen.regime
        measured = (
            "evaluation.split=val",
            f"attack.rho={regime.rho:g}",
            f"attack.steps={self.protocol.levels.steps}",
            f"shift=[{_NOISE}]",
            f"evaluation.shift_levels={{{_NOISE}: {_listed([regime.noise])}}}",
            "evaluation.curve=[]",
        )
        return self._cell(seed, regime.overrides, part.overrides, network.overrides, option, measured)

    def columns(self) -> dict[str, Key]:
        """Return the conditions of the claims' columns."""
        regime = self.chosen.regime
        return {
            "clean": CLEAN,
            "shifted": Key(shift=regime.shift),
            "noisy": Key(shift=_NOISE, level=float(regime.noise)),
            "random": Key("gaussian", 1.0),
            "attacked": ATTACKED,
        }

    def scores(self, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
        """Return the mean of clean, attacked and noisy PSNR in dB, per validation volume, mean over seeds."""
        keys = [self.columns()[name] for name in _SCORED]
        return np.asarray(np.mean([matrix(rows, key).mean(axis=0) for key in keys], axis=0))

    def _found(self, cells: Sequence[Cell]) -> dict[Cell, Row]:
        """Return the rows of candidates that can be scored: none lacks a volume that another has, or its value."""
        rows = {cell: row for cell in cells if (row := self.ledger.find("levels", cell)) is not None}
        keys = [self.columns()[name] for name in _SCORED]
        values = {cell: [row.values["network"][key]["psnr"] for key in keys] for cell, row in rows.items()}
        most = max((len(one) for group in values.values() for one in group), default=0)
        return {
            cell: rows[cell]
            for cell, group in values.items()
            if all(len(one) == most and np.isfinite(list(one.values())).all() for one in group)
        }

    def _options(self, network: Network, extended: Sequence[float]) -> list[tuple[str, ...]]:
        """List the candidates of a network, from the smallest level or the first choice on."""
        if network.level is None:
            return [tuple(choice) for choice in network.choices]
        return [(f"{network.level.key}={value:g}",) for value in sorted({*network.level.values, *extended})]

    def tried(self, part: Part, network: Network) -> dict[tuple[str, ...], list[Row]]:
        """Return the complete rows of a network's candidates, by seed, in the candidates' order."""
        known = self.chosen.levels.get(_name(part, network))
        seeds = self.protocol.seeds.levels
        options = self._options(network, known.extended if known else ())
        groups = {o: [self._level_cell(part, network, o, seed) for seed in seeds] for o in options}
        rows = self._found([cell for cells in groups.values() for cell in cells])
        found = {option: [rows[cell] for cell in cells if cell in rows] for option, cells in groups.items()}
        return {option: group for option, group in found.items() if group}

    def _settled(self, part: Part, network: Network) -> bool:
        return _name(part, network) in self.chosen.levels

    def _level(self, part: Part, network: Network) -> list[Cell]:
        """List the runs that the next step of a network's choice needs; none once it is made."""
        rule, seeds = self.protocol.levels, self.protocol.seeds.levels
        extended: list[float] = []
        while True:
            options = self._options(network, extended)
            cells = {option: self._level_cell(part, network, option, seeds[0]) for option in options}
            if left := self.ledger.lacks("levels", cells.values()):
                return left
            rows = self._found(list(cells.values()))
            first = {option: rows[cell] for option, cell in cells.items() if cell in rows}
            if not first:
                raise InputError("every candidate failed", network.label, "see the runs' own messages")
            ranked = sorted(first, key=lambda option: -float(self.scores([first[option]]).mean()))
            at_edge = ranked[0] in (options[0], options[-1])
            if network.level is None or not at_edge or len(extended) >= rule.extensions:
                break
            values = sorted({*network.level.values, *extended})
            outward = values[0] / network.level.factor if ranked[0] == options[0] else values[-1] * network.level.factor
            extended.append(float(f"{outward:.3g}"))
        best = [option for option in options if option in ranked[: rule.best]]
        wanted = {option: [self._level_cell(part, network, option, seed) for seed in seeds] for option in best}
        if left := self.ledger.lacks("levels", [cell for group in wanted.values() for cell in group]):
            return left
        rows = self._found([cell for group in wanted.values() for cell in group])
        scores = {
            option: self.scores([rows[cell] for cell in group])
            for option, group in wanted.items()
            if all(cell in rows for cell in group)
        }
        if not scores:
            raise InputError("every candidate failed with some seed", network.label, "see the runs' own messages")
        top = max(scores, key=lambda option: float(scores[option].mean()))
        chosen = next(option for option in scores if _ties(scores[top] - scores[option]))
        why = "the highest score" if chosen == top else f"within one standard error of {' '.join(top) or 'the regime'}"
        edge = ", at the edge" if network.level is not None and chosen in (options[0], options[-1]) else ""
        choice = LevelChoice(
            overrides=list(chosen),
            extended=extended,
            score=round(float(scores[chosen].mean()), 3),
            reason=f"{why}, of {len(options)} candidates, {len(best)} of them with {len(seeds)} seeds{edge}",
        )
        self.chosen.settle(choice, _name(part, network))
        return []

    def _levels(self, part: Part) -> Iterator[Step]:
        while left := [cell for network in part.networks for cell in self._level_once(part, network)]:
            yield Step("levels", left)

    def _level_once(self, part: Part, network: Network) -> list[Cell]:
        return [] if self._settled(part, network) else self._level(part, network)

    # ------------------------------------------------------------------------------------------------- tables

    def table(self, part: Part) -> dict[str, list[Cell]]:
        """Return the runs of a part's table by the label of their row, one per seed; its levels must be chosen."""
        regime, measured = self.chosen.regime, self.protocol.regime
        lines = (
            f"attack.rho={regime.rho:g}",
            f"attack.steps={self.chosen.attack.steps}",
            f"shift={_listed([_NOISE, *measured.shifts])}",
            f"evaluation.shift_levels={{{_NOISE}: {_listed(measured.noise)}}}",
            "evaluation.curve=[]",
        )
        made = {}
        for network in part.networks:
            level = self.chosen.levels[_name(part, network)].overrides
            groups = (regime.overrides, part.overrides, network.overrides, level, lines)
            made[network.label] = [self._cell(seed, *groups) for seed in self.protocol.seeds.tables]
        return made

    def curves(self, part: Part) -> list[Cell]:
        """Return the evaluations of the attack's curve, of the first seeds."""
        rule = self.protocol.tables
        lines = (f"evaluation.curve={_listed(rule.curve)}", f"evaluation.max_samples={rule.curve_volumes}")
        return [Cell("", lines, c) for cells in self.table(part).values() for c in cells[: rule.curve_seeds]]

    def checks(self, part: Part) -> dict[str, tuple[Cell, Cell]]:
        """Return, by label, the evaluations with the attack's steps and with twice as many, of the first row's seed."""
        steps, few = self.chosen.attack.steps, f"evaluation.max_samples={self.protocol.attack.check}"
        made = {}
        for label, cells in self.table(part).items():
            first = next((cell for cell in cells if self.ledger.find("tables", cell) is not None), cells[0])
            once, twice = (Cell("", (f"attack.steps={n}", few), first) for n in (steps, 2 * steps))
            made[label] = once, twice
        return made

    def optimistic(self, part: Part) -> dict[str, dict[str, tuple[tuple[str, ...], Cell]]]:
        """Return, by label and column, the candidate that is best there on validation data, and its test run.

        All candidates are compared by their first seed, which every one of them has.
        """
        lines = ("evaluation.split=test", f"attack.steps={self.chosen.attack.steps}")
        seed = self.protocol.seeds.levels[0]
        made: dict[str, dict[str, tuple[tuple[str, ...], Cell]]] = {}
        for network in part.networks:
            first = {o: rows[0] for o, rows in self.tried(part, network).items() if rows[0].seed == seed}
            for column in _SCORED if first else ():
                key = self.columns()[column]
                best = max(first, key=lambda option: first[option].mean(key))
                made.setdefault(network.label, {})[column] = (
                    best,
                    Cell("", lines, self._level_cell(part, network, best, seed)),
                )
        return made

    def _tables(self, part: Part) -> Iterator[Step]:
        rows = self.table(part)
        yield Step("tables", [cells[i] for i in range(len(self.protocol.seeds.tables)) for cells in rows.values()])
        first = [c for cells in rows.values() for c in cells[: self.protocol.tables.curve_seeds]]
        yield Step("tables-train", [on_training(cell) for cell in first])
        yield Step("check", [cell for pair in self.checks(part).values() for cell in pair])

    def _beside(self) -> Iterator[Step]:
        """List what no claim needs, the dearest to do without first."""
        for part in self.parts[:1]:
            yield Step("curve", self.curves(part))
        for part in self.parts:
            yield Step("optimistic", [cell for by in self.optimistic(part).values() for _, cell in by.values()])
        for part in self.parts[1:]:
            yield Step("curve", self.curves(part))

    # ---------------------------------------------------------------------------------------------------- all

    def _steps(self) -> Iterator[Step]:
        if self.chosen.made.regime is None:
            yield from self._regime()
        if self.chosen.made.attack is None:
            yield from self._attack()
        for part in self.parts:
            yield from self._levels(part)
            yield from self._tables(part)
        yield from self._beside()

    def next(self) -> Step | None:
        """Return the next stage's missing runs; None if everything is there. Choices that can be made are made."""
        for step in self._steps():
            if left := self.ledger.lacks(step.stage, step.cells):
                return Step(step.stage, list(dict.fromkeys(left)))  # two networks may share a candidate
        return None

    def verify(self) -> None:
        """Make the choices again where all their rows are there.

        Raises
        ------
        InputError
            If the rows lead to another choice than the one that was written.
        """
        made = self.chosen.made
        for choice, stage in ((made.regime, self._regime), (made.attack, self._attack)):
            if choice is not None:
                for step in stage():  # it settles once nothing is lacking
                    if self.ledger.lacks(step.stage, step.cells):
                        break
        for part in self.parts:
            for network in part.networks:
                if self._settled(part, network):
                    self._level(part, network)


def _name(part: Part, network: Network) -> str:
    """Return the name of a network's choice."""
    return f"{part.name}/{network.label}"


def _ties(difference: npt.NDArray[np.float64]) -> bool:
    """Check whether paired differences over volumes are within one standard error of zero."""
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return float(difference.mean()) <= error


def _entries(cell: Cell) -> int:
    """Return the number of entries of a sample."""
    dataset = composed(tuple(line for line in cell.overrides if not line.startswith("seed="))).settings.dataset
    size = dataset.get("size", int)
    height, width = dataset.get("height", int), dataset.get("width", int)
    return size * size if size else (height or 1) * (width or 1)
