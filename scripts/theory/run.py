"""The theory laboratory: compute closed forms beside what is learned and simulated; writes results/theory.

About ten minutes on one core.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.common import Parser, status
from scripts.theory import figures as theory_figures
from scripts.theory.laboratory import Shrinkage, TwoGains, fit, orthonormal
from sgdj import attacks, networks, strategies
from sgdj.config.instantiate import build
from sgdj.data.points import spiral
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.modes.plan import plan
from sgdj.runs.network import load_network
from sgdj.runtime.draws import Draws
from sgdj.runtime.text import Markup, markdown_table, plus_minus
from sgdj.theory.iteration import Iteration, simulate, whole_space_threshold
from sgdj.theory.rate import mean_squared_gradient
from sgdj.theory.regulariser import balance, walk
from sgdj.theory.shrinkage import Subspace

ROOT = Path(__file__).resolve().parents[2]

SIZE, DIMENSION, NOISE = 160, 100, 0.2
ETA, COUNT = 0.3, 10
SEEDS = range(5)


def _mean(values: list[float]) -> tuple[float, float]:
    """Return mean and standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def worst_case(basis: torch.Tensor) -> list[dict[str, Any]]:
    """Compute α of adversarial training and of the equivalent input jittering, exact and learned."""
    problem, rows = Subspace(DIMENSION, DIMENSION, NOISE), []
    for share in (0.0, 0.05, 0.1, 0.2, 0.3, 0.5):
        epsilon = float(np.sqrt(share * DIMENSION))
        row: dict[str, Any] = {"share": share, "epsilon": epsilon, "exact": problem.best(epsilon)}
        row["exact_risk"] = problem.risk(row["exact"], epsilon) / DIMENSION
        row["level"] = problem.level_for(epsilon)
        # the error of a linear shrinkage points the same way for every perturbation: one step finds the worst
        attack = attacks.PGD(epsilon=epsilon, steps=1, step_size=2.0, restarts=1, random_start=False)
        for name, strategy in (
            ("adversarial", strategies.Adversarial(attack) if share else strategies.MSE()),
            ("input_jitter", strategies.InputJitter(row["level"])),
        ):
            learned = [
                float(fit(Shrinkage(basis), strategy, basis, NOISE, steps=200, count=128, seed=s)[0]) for s in SEEDS
            ]
            row[name] = _mean(learned)
        row["learned_risk"] = problem.risk(row["adversarial"][0], epsilon) / DIMENSION
        rows.append(row)
    return rows


def parts() -> tuple[Iteration, Iteration]:
    """Return the iteration on the subspace and off it."""
    return Iteration(ETA, COUNT, 1.0, NOISE**2), Iteration(ETA, COUNT, 0.0, NOISE**2)


def jittered(basis: torch.Tensor) -> list[dict[str, Any]]:
    """Compute θ, gain and risk of SGD jittering, exact and learned."""
    on, off = parts()
    rows = []
    for v in (0.0, 0.01, 0.03, 0.1, 0.3):
        row: dict[str, Any] = {"v": v}
        strategy = strategies.Jitter(float(np.sqrt(v * SIZE)), "absolute", True) if v else strategies.MSE()
        learned = []
        for seed in SEEDS:
            step = networks.StepSize("exp", ETA, 0.0, False).double()
            network = networks.GradientDescent(TwoGains(basis), step, COUNT, "adjoint")
            (theta,) = fit(network, strategy, basis, NOISE, steps=200, count=32, seed=seed)
            learned.append(theta.tolist())
        for index, (name, part) in enumerate((("on", on), ("off", off))):
            theta = part.best(v)
            row |= {f"theta_{name}": theta, f"H_{name}": part.gain(theta), f"risk_{name}": part.risk(theta, v)}
            row[f"learned_theta_{name}"] = _mean([t[index] for t in learned])
            row[f"learned_H_{name}"] = _mean([part.gain(t[index]) for t in learned])
            row[f"learned_risk_{name}"] = _mean([part.risk(t[index], v) for t in learned])
        rows.append(row)
    return rows


def exact_curves() -> dict[str, Any]:
    """Compute exact α over ε and exact gains H over v, for the figure."""
    problem, (on, off) = Subspace(DIMENSION, DIMENSION, NOISE), parts()
    share, v = np.linspace(0, 0.5, 51), np.concatenate([[0.0], np.geomspace(0.001, 0.3, 40)])
    return {
        "share": share, "alpha": [problem.best(float(np.sqrt(s * DIMENSION))) for s in share],
        "v": v, "H_on": [on.gain(on.best(x)) for x in v], "H_off": [off.gain(off.best(x)) for x in v],
    }  # fmt: skip


def regulariser() -> list[dict[str, Any]]:
    """Check the pathwise identity and the four-term balance, for a linear and a nonlinear learned part."""
    rng = np.random.default_rng(0)
    n = 12
    weight = rng.normal(size=(n, n)) / 3
    x = rng.normal(size=n)
    y = x + NOISE * rng.normal(size=n)
    a = rng.normal(size=(8, n)) / 3
    rows = []
    for name, f in (
        ("linear", lambda u: 0.3 * u @ weight.T),
        ("two-layer tanh", lambda u: np.tanh(u @ weight) @ weight.T),
    ):
        paths = walk(f, a.T @ a, a.T @ (a @ x), np.zeros((100, n)), ETA, rng.normal(size=(COUNT, 100, n)))
        gap = np.abs(paths.clean - paths.jittered - (paths.noise - paths.difference)).max()
        b = balance(f, x, y, ETA, COUNT, 0.1, 50_000, rng)
        rows.append({"f": name, "pathwise_gap": float(gap), "terms": b.terms, **vars(b)})
    return rows


def thresholds() -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Compute s* and g* over v; Monte Carlo on both sides of them; negative controls."""
    on, off = parts()
    v = np.geomspace(0.003, 0.5, 25)
    curves = {
        "v": v.tolist(),
        "s": [on.robustness_threshold(x) for x in v],
        "g": [off.generalisation_threshold(x) for x in v],
        "g_whole_space": [whole_space_threshold(on, off, x, DIMENSION, SIZE) for x in v],
    }
    rng, points = np.random.default_rng(1), []

    def difference(part: Iteration, level: float, kind: str, variance: float) -> tuple[float, float]:
        """Return the risk of the jittered θ minus that of MSE on the same draws, and its standard error."""
        seed = int(rng.integers(2**31))
        errors = [
            simulate(part, part.best(u), 0.0, np.random.default_rng(seed), 4_000_000, **{kind: level})
            for u in (variance, 0.0)
        ]
        change = errors[0] - errors[1]
        return float(change.mean()), float(change.std() / np.sqrt(len(change)))

    for variance in (0.01, 0.03, 0.1, 0.3):
        for kind, part, key in (("s", on, "extra"), ("g", off, "g")):
            exact = on.robustness_threshold(variance) if kind == "s" else off.generalisation_threshold(variance)
            for factor in (0.25, 4.0):
                mean, error = difference(part, factor * exact, key, variance)
                points.append(
                    {
                        "kind": kind,
                        "v": variance,
                        "level": factor * exact,
                        "side": factor,
                        "difference": mean,
                        "error": error,
                    }
                )
    controls = []
    for name, part in (("K = 1", Iteration(ETA, 1, 1.0, NOISE**2)), ("eta = 1", Iteration(1.0, COUNT, 1.0, NOISE**2))):
        mean, error = difference(part, 0.1, "extra", 0.1)
        gains = [part.gain(part.best(u)) for u in (0.1, 0.0)]
        controls.append(
            {"control": name, "H_sgd": gains[0], "H_mse": gains[1], "s_star": part.robustness_threshold(0.1),
             "difference_at_0.1": mean, "error": error}
        )  # fmt: skip
    return curves, points, controls


def rates() -> list[dict[str, Any]]:
    """Compute the mean squared gradient of F with ∇F = (x − 1) + sin(2x)/2 along the jittered iteration."""
    rng = np.random.default_rng(2)

    def gradient(x: np.ndarray) -> np.ndarray:
        return (x - 1) + 0.5 * np.sin(2 * x)

    start = np.zeros((256, 8))
    return [
        {
            "K": count,
            "shrinking": mean_squared_gradient(gradient, start, 1 / np.sqrt(count), count, 1.0, rng),
            "fixed": mean_squared_gradient(gradient, start, 0.3, count, 1.0, rng),
        }
        for count in (100, 400, 1600, 6400)
    ]


def points_figure(output: Path) -> list[dict[str, Any]]:
    """Train the strategies on the spiral by the command line, and draw what they learned."""
    runs = ROOT / "outputs"
    command = [sys.executable, "-m", "sgdj", "-m", "+experiment=points", f"output_dir={runs}"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    panels = []
    side = np.linspace(-1.1, 1.1, 15)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    for name in ("mse", "adversarial", "input_jitter", "jitter"):
        job = load(parse(["+experiment=points", f"strategy={name}"]))
        planned = plan(job)
        folder = planned.folder
        folder = folder if folder.is_absolute() else ROOT / folder
        network: Any = load_network(folder / "checkpoints" / "best.ckpt", job.settings)
        source, acquisition = planned.source, planned.acquisition
        source.prepare()
        from sgdj.data.batch import measure, pose

        images = source.images("test")
        batch = measure(pose([images[i] for i in range(12)], acquisition, Draws(0)))
        with torch.no_grad():
            field = -network.learned(torch.from_numpy(grid).float().view(-1, 1, 2, 1), torch.empty(0)).view(-1, 2)
            steps = [batch.y]
            for k in range(1, COUNT + 1):
                network.iterations = k
                steps.append(network(batch.y, batch.operator))
        network.iterations = COUNT
        delta = build(job.settings, "attack")(network, batch, Draws(0))
        with torch.no_grad():
            attacked = network(batch.y + delta, batch.operator)
        summary = json.loads((folder / "evaluation" / "summary.json").read_text())["network"]
        panels.append(
            {
                "strategy": name, "grid": grid, "field": field.numpy(),
                "paths": torch.stack(steps).view(COUNT + 1, -1, 2).numpy(), "attacked": attacked.view(-1, 2).numpy(),
                **{condition: summary[condition]["psnr"]["mean"] for condition in ("clean", "gaussian", "pgd")},
            }
        )  # fmt: skip
    theory_figures.plane(panels, spiral(np.linspace(0, 1, 300)), output / "points")
    return [{key: panel[key] for key in ("strategy", "clean", "gaussian", "pgd")} for panel in panels]


def _pm(pair: tuple[float, float]) -> str:
    return plus_minus(*pair, 5)


def document(found: dict[str, Any]) -> str:
    """Write the laboratory's results as Markdown."""
    worst = markdown_table(
        ["ε²/σ_c²", "α exact", "α learned by adversarial training", "input-jitter level σ_w",
         "α learned by input jittering", "risk/d exact", "risk/d of the learned α"],
        [[f"{r['share']:g}", f"{r['exact']:.5f}", _pm(r["adversarial"]), f"{r['level']:.4f}", _pm(r["input_jitter"]),
          f"{r['exact_risk']:.5f}", f"{r['learned_risk']:.5f}"] for r in found["worst_case"]],
    )  # fmt: skip
    jitter = markdown_table(
        ["v", "part", "θ exact", "θ learned", "H exact", "H learned", "risk exact", "risk learned"],
        [[f"{r['v']:g}", f"{p} the subspace", *(text for what in ("theta", "H", "risk") for text in
          (f"{r[f'{what}_{p}']:.5f}", _pm(r[f"learned_{what}_{p}"])))]
         for r in found["jitter"] for p in ("on", "off")],
    )  # fmt: skip
    identity = markdown_table(
        ["f", "largest pathwise gap", "excess loss", "E‖S‖²", "n v Σc²", "−2E⟨W,S⟩", "2⟨r,ES⟩", "sum",
         "difference / s.e."],
        [[r["f"], f"{r['pathwise_gap']:.1e}", *(f"{r[k]:+.5f}" for k in
          ("excess", "regulariser", "variance", "cross", "pull", "terms")),
          f"{(r['excess'] - r['terms']) / r['error']:+.2f}"]
         for r in found["regulariser"]],
    )  # fmt: skip
    points = markdown_table(
        ["threshold", "v", "level", "level / threshold", "risk of jitter minus MSE", "standard error"],
        [[Markup(f"{p['kind']}*"), f"{p['v']:g}", f"{p['level']:.5f}", f"{p['side']:g}", f"{p['difference']:+.2e}",
          f"{p['error']:.1e}"]
         for p in found["threshold_points"]],
    )  # fmt: skip
    controls = markdown_table(
        ["control", "H jitter", "H MSE", Markup("s*"), "risk of jitter minus MSE at s = 0.1", "standard error"],
        [[c["control"], f"{c['H_sgd']:.5f}", f"{c['H_mse']:.5f}", f"{c['s_star']:g}", f"{c['difference_at_0.1']:+.2e}",
          f"{c['error']:.1e}"] for c in found["controls"]],
    )  # fmt: skip
    rate = markdown_table(
        ["K", "η = 1/√K", "η = 0.3"],
        [[str(r["K"]), f"{r['shrinking']:.4f}", f"{r['fixed']:.4f}"] for r in found["rate"]],
    )
    plane = markdown_table(
        ["training", "clean PSNR (dB)", "random noise (dB)", "PGD, ε = 0.1 (dB)"],
        [[p["strategy"], f"{p['clean']:.2f}", f"{p['gaussian']:.2f}", f"{p['pgd']:.2f}"] for p in found["points"]],
    )
    return f"""# Theory laboratory

Written by `python -m scripts.theory.run`. Synthetic data. Learned values: mean ± standard error over
{len(SEEDS)} seeds.

## The linear toy: closed forms and what is learned

x = U c on a {DIMENSION}-dimensional subspace of ℝ^{SIZE}, c ~ N(0, I), y = x + z, s₀ = {NOISE}. One learned number,
α U Uᵀ y:

{worst}

SGD jittering of x_{{k+1}} = x_k − η((x_k − y) + θ x_k + w_k), η = {ETA}, K = {COUNT}, one θ on the subspace and one off
it, jitter variance v per entry:

{jitter}

![gains](gains.png)

## The implicit regulariser is one of four terms

Jittered and clean iterates differ by W − S exactly (float64). The excess of the jittered loss is not E‖S‖² alone, and
2⟨r, E S⟩ may be negative; it vanishes for a linear f.

{identity}

## Theorems 7.4 and 7.5 hold beyond a threshold

On the subspace the jittered θ has the lower average-case risk from extra noise s ≥ s* on; off it, the lower risk for an
unseen signal from g ≥ g* on. The clean risk is never lower: θ_mse minimises it. Monte Carlo (4 million entries, common
draws) on both sides of each threshold:

{points}

Negative controls, where jitter cannot help:

{controls}

![thresholds](thresholds.png)

## Corollary 6.2 needs a shrinking step

Mean squared gradient of the jittered inner iteration (v = 1):

{rate}

![rate](rate.png)

## A nonlinear toy in the plane

`python run.py -m +experiment=points`: points on a spiral, noise 0.1, one seed.

{plane}

![points](points.png)
"""


def laboratory(output: Path) -> None:
    """Compute everything, draw the figures, write the document."""
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    basis = orthonormal(SIZE, DIMENSION, 0)
    curves, points, controls = thresholds()
    found = {
        "worst_case": worst_case(basis), "jitter": jittered(basis), "regulariser": regulariser(),
        "threshold_curves": curves, "threshold_points": points, "controls": controls, "rate": rates(),
        "points": points_figure(output),
    }  # fmt: skip
    theory_figures.gains(exact_curves(), found["worst_case"], found["jitter"], output / "gains")
    theory_figures.thresholds(curves, points, output / "thresholds")
    theory_figures.rate(found["rate"], output / "rate")
    (output / "theory.json").write_text(json.dumps(found, indent=1) + "\n")
    (output / "README.md").write_text(document(found))
    print(output / "README.md")


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.theory.run", __doc__)
    made.add_argument(
        "--output", type=Path, default=ROOT / "results" / "theory", metavar="FOLDER", help="(results/theory)"
    )
    return made


def main(arguments: list[str]) -> int:
    """Run the laboratory from the command line."""
    laboratory(parser().parse_args(arguments).output)
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
