"""Check whether a robustness figure can be believed; each check states its number.

They follow Carlini et al. (2019), Athalye et al. (2018) and Croce & Hein (2020), carried over to reconstruction.
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

import torch
from torch import Tensor

from sgdj.attacks.apgd import APGD
from sgdj.attacks.ball import Norm, sample_norm
from sgdj.attacks.base import Attack
from sgdj.attacks.gaussian import Gaussian
from sgdj.attacks.hill import differentiate
from sgdj.attacks.pgd import PGD
from sgdj.attacks.spsa import SPSA
from sgdj.audit.self_test import GradientMasked, linear_share
from sgdj.audit.worst_case import TOLERANCE, Direction, Linearised
from sgdj.data.batch import Batch
from sgdj.errors import InputError, RunError
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.networks.neighbours import ROUNDING, is_repeatable, neighbour_dependence
from sgdj.networks.starting_point import StartingPoint
from sgdj.operators.base import Operator, Support
from sgdj.runtime.draws import Draws

SMALL = 10
#: Relative budgets ρ at which an attack may be compared with the exact worst case of the linearised network.
TINY = (1e-4, 1e-5, 1e-6)
#: Right singular vectors of the Jacobian that are kept as fragile directions.
DIRECTIONS = 3
Status = Literal["PASS", "FAIL", "NOT APPLICABLE"]


@dataclass(frozen=True)
class Check:
    """Outcome of one check.

    Parameters
    ----------
    number, name
        Number and name of the check, in the order of the report.
    status
        Outcome of the check: "PASS", "FAIL" or "NOT APPLICABLE".
    value
        Measured value, as text.
    rule
        Condition that the value must meet, as text.
    self_test
        Whether it tests this tool rather than the reconstructor.
    """

    number: int
    name: str
    status: Status
    value: str
    rule: str
    self_test: bool = False


def _check(number: int, name: str, passed: bool | None, value: str, rule: str, self_test: bool = False) -> Check:
    status: Status = "NOT APPLICABLE" if passed is None else "PASS" if passed else "FAIL"
    return Check(number, name, status, value, rule, self_test)


def auto_pgd(attack: Attack, steps: int, restarts: int = 1) -> APGD:
    """Return Auto-PGD with the budget and support of another attack.

    Parameters
    ----------
    attack
        Attack that states budget, norm and support.
    steps
        Number of steps per restart.
    restarts
        Number of starts; the first is at zero.

    Returns
    -------
    APGD
        Attack to believe, with that budget.
    """
    return APGD(
        epsilon=attack.epsilon, rho=attack.rho, norm=attack.norm, support=attack.support,
        steps=steps, restarts=restarts, random_start=False,
    )  # fmt: skip


class _Budget(TypedDict):
    """What the attacks of an audit have in common with the one that it is about."""

    epsilon: float | None
    rho: float | None
    norm: Norm
    support: Support


class Audit:
    """Run the checks of one reconstructor on one batch.

    Parameters
    ----------
    reconstructor
        Network to audit, in evaluation mode.
    batch
        Measurements y with their operator and references x.
    attack
        Attack that states budget and norm; the checks choose their own effort.
    draws
        Random numbers of attacks and noise.
    small
        An operator of the same kind for images of `SMALL` x `SMALL` pixels, for the self-test.
    steps
        Number of steps of the main attack, Auto-PGD.
    random_draws
        Number of draws of random noise per sample.
    """

    def __init__(
        self,
        reconstructor: Reconstructor,
        batch: Batch,
        attack: Attack,
        draws: Draws,
        small: Operator,
        steps: int,
        random_draws: int,
    ) -> None:
        self.network, self.batch, self.draws, self.small = reconstructor, batch, draws, small
        self.attack, self.steps, self.random_draws = attack, steps, random_draws
        self.budget: _Budget = {
            "epsilon": attack.epsilon,
            "rho": attack.rho,
            "norm": attack.norm,
            "support": attack.support,
        }
        self.before = _tensors(reconstructor)
        self.mode = reconstructor.training
        self.directions: list[Direction] = []

    def _apgd(self, steps: int | None = None, restarts: int = 1, factor: float = 1.0) -> APGD:
        return auto_pgd(self.attack, steps or self.steps, restarts).scaled(factor)

    def _error(self, delta: Tensor) -> Tensor:
        with torch.no_grad():
            return squared_error(self.network(self.batch.y + delta, self.batch.operator), self.batch.x)

    def _attacked(self, attack: Attack) -> Tensor:
        return self._error(attack(self.network, self.batch, self.draws))

    def light(self) -> list[Check]:
        """Run the cheap checks, for every table."""
        self.delta = self._apgd()(self.network, self.batch, self.draws)
        self.error = self._error(self.delta)
        return [
            self._budget(), self._support(), self._zero(), self._random(), self._gradients(), self._differences(),
            self._repeatable(), self._untouched(), self._neighbours(),
        ]  # fmt: skip

    def full(self, tell: Callable[[str], None] = lambda line: None) -> list[Check]:
        """Run all checks, in the order of their numbers."""
        found = self.light()

        def rest() -> Iterator[Check]:
            for check in (
                self._one_step, self._gradient_free, self._transfer, self._monotone, self._huge, self._more_steps,
                self._restarts, self._step_sizes, self._linear, self._masked_is_flagged, self._local,
            ):  # fmt: skip
                tell(check.__name__.strip("_").replace("_", " "))
                yield check()

        found = [c for c in found if c.number != 18] + list(rest()) + [self._untouched()]
        return sorted(found, key=lambda check: check.number)

    def _budget(self) -> Check:
        attack = self._apgd()
        epsilon = attack.budget(self.batch.y)
        ratio = float((attack.ball.norm(self.delta) / epsilon.clamp_min(1e-30)).max())
        return _check(1, "perturbations keep the budget", ratio <= 1 + 1e-5, f"{ratio:.7f}", "largest ‖δ‖/ε ≤ 1 + 1e-5")

    def _support(self) -> Check:
        rest = self.delta - self.batch.operator.restrict(self.delta)
        largest = float(rest.abs().max())
        applicable = self.budget["support"] == "measured"
        return _check(
            2, "no perturbation where nothing is measured", largest == 0 if applicable else None, f"{largest:g}", "0"
        )

    def _zero(self) -> Check:
        delta = self._apgd(factor=0.0)(self.network, self.batch, self.draws)
        with torch.no_grad():
            pair = [self.network(self.batch.y + d, self.batch.operator) for d in (delta, torch.zeros_like(delta))]
        if not self._is_repeatable():
            return _check(3, "ε = 0 leaves the clean output", None, "random at test", "bit for bit")
        same = torch.equal(*pair)
        return _check(3, "ε = 0 leaves the clean output", same, "equal" if same else "different", "bit for bit")

    def _one_step(self) -> Check:
        once = PGD(**self.budget, steps=1, step_size=1.0, restarts=1, random_start=False)
        share = float((self.error >= self._attacked(once) * (1 - 1e-6)).float().mean())
        return _check(4, "many steps are not weaker than one", share == 1, f"{share:.2f} of samples", "all samples")

    def _random(self) -> Check:
        errors = []
        for i in range(self.random_draws):
            noise = Gaussian(**self.budget)(self.network, self.batch, self.draws.at("audit", i))
            errors.append(self._error(noise))
        stacked = torch.stack(errors)
        stronger = float((self.error > stacked.amax(0)).float().mean())
        ratio = float((self.error / stacked.mean(0)).mean())
        return _check(
            5, f"stronger than the best of {self.random_draws} random draws", stronger == 1,
            f"{stronger:.2f} of samples; error {ratio:.2f} times that of random noise", "all samples",
        )  # fmt: skip

    def _gradient_free(self) -> Check:
        directions = 10
        passes = self._apgd().passes
        steps = math.ceil(10 * passes / (2 * directions + 1))
        free = SPSA(
            **self.budget, steps=steps, directions=directions, width=0.3, restarts=1, random_start=False
        )  # fmt: skip
        share = float((self._attacked(free) > self.error * 1.001).float().mean())
        return _check(
            6, f"no gradients are not stronger ({free.passes} passes against {passes})", share == 0,
            f"stronger on {share:.2f} of samples", "none",
        )  # fmt: skip

    def _transfer(self) -> Check:
        start = getattr(self.network, "start", "adjoint")
        delta = self._apgd()(StartingPoint(start), self.batch, self.draws)
        share = float((self._error(delta) > self.error * 1.001).float().mean())
        return _check(
            7,
            "what was made for the starting point is not stronger",
            share == 0,
            f"stronger on {share:.2f} of samples",
            "none",
        )

    def _monotone(self) -> Check:
        factors = (0.25, 0.5, 1.0, 2.0)
        errors = torch.stack([self.error if f == 1 else self._attacked(self._apgd(factor=f)) for f in factors])
        drop = float((1 - errors[1:] / errors[:-1]).clamp_min(0).max())
        return _check(8, "the error grows with ε", drop < 0.01, f"largest fall {100 * drop:.2f} %", "below 1 %")

    def _huge(self) -> Check:
        huge = APGD(
            rho=10.0, norm="l2", support=self.budget["support"], steps=self.steps, restarts=1, random_start=True
        )
        trivial = squared_error(torch.zeros_like(self.batch.x), self.batch.x)
        share = float((self._attacked(huge) >= trivial).float().mean())
        return _check(
            9, "a huge ε ruins every sample (ρ = 10)", share == 1, f"{share:.2f} of samples", "error of x̂ = 0"
        )

    def _gain(self, error: Tensor) -> float:
        return float((torch.maximum(error, self.error) / self.error - 1).mean())

    def _more_steps(self) -> Check:
        gain = self._gain(self._attacked(self._apgd(steps=2 * self.steps)))
        return _check(10, "twice the steps gain little", gain < 0.01, f"{100 * gain:.2f} %", "below 1 %")

    def _restarts(self) -> Check:
        gain = self._gain(self._attacked(self._apgd(restarts=10)))
        return _check(11, "ten restarts gain little", gain < 0.01, f"{100 * gain:.2f} %", "below 1 %")

    def _step_sizes(self) -> Check:
        gains = []
        for size in (0.1, 0.3, 1.0, 2.0):
            pgd = PGD(**self.budget, steps=self.steps, step_size=size, restarts=1, random_start=False)
            gains.append(self._gain(self._attacked(pgd)))
        shown = ", ".join(f"{100 * gain:.2f} %" for gain in gains)
        return _check(
            12,
            "no other step size is stronger",
            max(gains) < 0.01,
            f"{shown} for steps of 0.1, 0.3, 1, 2 ε",
            "below 1 %",
        )

    def _gradients(self) -> Check:
        bad, total, why = 0, 0, ""
        for point in (torch.zeros_like(self.delta), 0.5 * self.delta):
            delta = point.clone().requires_grad_(True)
            with torch.enable_grad():
                value = squared_error(self.network(self.batch.y + delta, self.batch.operator), self.batch.x)
                gradient, why = differentiate(value, delta)
            norms = sample_norm(gradient).flatten()
            bad += int((~torch.isfinite(norms) | (norms == 0)).sum())
            total += len(norms)
        told = f"{bad} of {total} are bad" + (f": {why}" if why else "")
        return _check(13, "gradients are finite and not zero", bad == 0, told, "none")

    def _differences(self) -> Check:
        """Compare gradients with finite differences, in float64 where the network allows it.

        A kink of a ReLU inside a difference spoils it for some widths. The best of three counts: a gradient that is
        wrong differs from all of them.
        """
        network, batch, widths, limit = self.network, self.batch, (1e-2, 3e-3, 1e-3), 0.05
        if (double := self._in_double()) is not None:
            (network, batch), widths, limit = double, (1e-7, 1e-8, 1e-9), 1e-3
        worst = 0.0
        for i in range(3):
            u = Gaussian(rho=1.0)(network, batch, self.draws.at("direction", i))
            delta = torch.zeros_like(batch.y).requires_grad_(True)
            with torch.enable_grad():
                value = squared_error(network(batch.y + delta, batch.operator), batch.x)
                gradient, _ = differentiate(value, delta)
            slope = (gradient.conj() * u).real.flatten(1).sum(1)
            least = sample_norm(gradient).flatten() * sample_norm(u).flatten() * 1e-2
            best = torch.full_like(slope, math.inf)
            for width in widths:
                with torch.no_grad():
                    up, down = (
                        squared_error(network(batch.y + s * width * u, batch.operator), batch.x) for s in (1.0, -1.0)
                    )
                difference = (up - down) / (2 * width)
                off = (slope - difference).abs() / torch.maximum(difference.abs(), least).clamp_min(1e-30)
                best = torch.where(off < best, off, best)
            worst = max(worst, float(best.max()))
        return _check(
            14,
            "autograd agrees with finite differences",
            worst < limit,
            f"largest difference {worst:.1e}",
            f"below {limit:g}",
        )

    def _in_double(self) -> tuple[Reconstructor, Batch] | None:
        """Return a copy of network and batch in float64; None where the network computes in single precision."""
        try:
            network = deepcopy(self.network).double()
            batch = replace(self.batch, x=_double(self.batch.x), y=_double(self.batch.y))
            with torch.no_grad():
                pair = [network(y, batch.operator) for y in (batch.y, batch.y * (1 + 1e-12))]
        except Exception as error:  # a network from outside may raise anything here
            if isinstance(error, RunError) and not isinstance(error, InputError):
                raise
            return None
        return None if torch.equal(*pair) else (network, batch)

    def _local(self) -> Check:
        """Compare Auto-PGD with the exact worst case of the linearised network, in float64.

        Kinks may lie within even a small budget. Each is stated, down to the largest at which the worst case of the
        linearised network does in truth what it should; that one counts.
        """
        name, rule = "the exact worst case at a small ε is reached", "at least 0.999 of the exact increase"
        double = self._in_double()
        if double is None:
            return _check(20, name, None, "single precision inside", rule)
        network, batch = double
        models, exact = [], []
        for i in range(len(batch)):
            try:
                models.append(Linearised(network, batch.take(i), self.draws))
                models[i].converge_top(DIRECTIONS if i == 0 else 1, tolerance=1e-4, most=40)
            except Exception as error:  # a network from outside may raise anything here
                if isinstance(error, RunError) and not isinstance(error, InputError):
                    raise
                return _check(20, name, None, f"its derivative cannot be used ({type(error).__name__})", rule)
        self.directions = models[0].directions(DIRECTIONS)
        norms = [float(norm) for norm in sample_norm(batch.y)]
        by_rho: dict[float, list[float]] = {}
        for rho in TINY:
            exact = [one.worst_case(rho * norm) for one, norm in zip(models, norms, strict=True)]
            if min(one.increase for one in exact) <= 0:
                return _check(20, name, None, "it does not react to its measurement", rule)
            delta = APGD(rho=rho, steps=self.steps, restarts=1, random_start=False)(network, batch, self.draws)
            by_rho[rho] = [
                model.increase(network, delta[i : i + 1]) / one.increase
                for i, (model, one) in enumerate(zip(models, exact, strict=True))
            ]
            true = [m.increase(network, one.delta) / one.increase for m, one in zip(models, exact, strict=True)]
            if all(abs(share - 1) < 5e-4 for share in true):
                break
        residual = max(one.residual for one in exact)
        shown = "; ".join(f"{min(s):.4f} to {max(s):.4f} of it at ρ = {rho:g}" for rho, s in by_rho.items())
        shown += f", to a residual of {TOLERANCE:g}"
        if residual > TOLERANCE:
            shown += f" (a lower bound: {residual:.0e} was reached)"
        limit = min(model.linear_up_to(network, rho) for model in models)
        passed = min(by_rho[rho]) >= 0.999
        return _check(20, name, passed, f"{shown}; linear within 1 % up to ρ = {limit:.2g}", rule)

    def _is_repeatable(self) -> bool:
        return is_repeatable(self.network, self.batch.y, self.batch.operator)

    def _repeatable(self) -> Check:
        same = self._is_repeatable()
        return _check(
            15, "repeated passes are identical", same, "equal" if same else "different: attack.average", "bit for bit"
        )

    def _linear(self) -> Check:
        x = self.batch.x[:3, :, : self.batch.x.shape[-2] // SMALL * SMALL, : self.batch.x.shape[-1] // SMALL * SMALL]
        x = x[..., :: x.shape[-2] // SMALL, :: x.shape[-1] // SMALL][..., :SMALL, :SMALL]
        search = APGD(rho=0.1, steps=100, restarts=1, random_start=False)
        share = linear_share(search, self.small, x)
        return _check(
            16,
            "the exact worst case of a linear map is reached",
            share >= 0.99,
            f"{share:.4f} of it",
            "at least 0.99",
            True,
        )

    def _masked_is_flagged(self) -> Check:
        masked = Audit(
            GradientMasked(self.network),
            self.batch,
            self._apgd(),
            self.draws,
            self.small,
            self.steps,
            self.random_draws,
        )
        failed = [check.number for check in masked.light() if check.status == "FAIL" and check.number != 19]
        return _check(
            17, "a network with masked gradients is flagged", bool(failed),
            f"fails checks {', '.join(map(str, failed)) or 'none'}", "at least one", True,
        )  # fmt: skip

    def _untouched(self) -> Check:
        after = _tensors(self.network)
        same = self.before.keys() == after.keys()
        same = same and all(_identical(value, after[name]) for name, value in self.before.items())
        same = same and self.network.training == self.mode
        return _check(18, "weights and mode are untouched", same, "equal" if same else "changed", "bit for bit")

    def _neighbours(self) -> Check:
        name, rule = "a sample does not depend on its neighbours in a batch", f"relative difference below {ROUNDING:g}"
        if not self._is_repeatable():
            return _check(19, name, None, "random at test", rule)
        try:
            change = neighbour_dependence(self.network, self.batch.y, self.batch.operator)
        except InputError as error:
            return _check(19, name, False, f"alone {error.what}", rule)
        return _check(19, name, change <= ROUNDING, f"{change:.1e} between alone and in a batch", rule)


def _tensors(network: Reconstructor) -> dict[str, Tensor]:
    """Copy weights and buffers of the network."""
    return {name: x.clone() for name, x in network.state_dict().items() if isinstance(x, Tensor)}


def _identical(one: Tensor, other: Tensor) -> bool:
    if (one.shape, one.dtype, one.device) != (other.shape, other.dtype, other.device):
        return False
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _double(x: Tensor) -> Tensor:
    return x.to(torch.complex128 if x.is_complex() else torch.float64)
