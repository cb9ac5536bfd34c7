"""mode=certify: guarantee how far any perturbation can move a reconstruction, beside what Auto-PGD reaches."""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial

from sgdj.audit.checks import auto_pgd
from sgdj.audit.sensitivity import sensitivity
from sgdj.certificates.certificate import Certificate, certify_network
from sgdj.certificates.floors import COLUMNS, Floor, floors, table
from sgdj.certificates.ingredients import check_theorem
from sgdj.config.instantiate import build
from sgdj.data.batch import Batch
from sgdj.data.loader import Measure, batches
from sgdj.errors import CheckFailed, ExitCode, InputError, RunError, as_run_error
from sgdj.evaluation.conditions import conditions
from sgdj.evaluation.evaluate import COLUMNS as SAMPLE_COLUMNS
from sgdj.evaluation.evaluate import Result, evaluate, measured_images
from sgdj.jobs.load import Job
from sgdj.modes.plan import Plan, plan
from sgdj.modes.run import Steps, conduct
from sgdj.networks import Reconstructor, StartingPoint
from sgdj.reporting.certificates import averaged, floor_figure, floor_table
from sgdj.reporting.terminal import show
from sgdj.runs.directory import RunDirectory
from sgdj.runs.network import given_network
from sgdj.runs.tracking import Tracker
from sgdj.runtime.contents import Record
from sgdj.runtime.draws import Draws
from sgdj.runtime.output import say
from sgdj.runtime.text import label

#: Name of the attack in rows and figures.
ATTACK = "apgd"
DEFINITIONS = {
    "L": "‖x̂(y + δ) - x̂(y)‖ ≤ L ‖δ‖ for all y and δ; the largest over image sizes",
    "sigma_max": "largest singular value of ∂x̂/∂y by power iteration, the largest over samples: a lower bound of L",
    "gain_db": "mean PSNR of the network less that of the starting point, without a perturbation",
    "bracket": "L ε over the increase of the ℓ₂ error that Auto-PGD reached, mean over volumes, for every rho",
    "broken": "number of samples and budgets where Auto-PGD exceeds what is certified; 0 unless a certificate is wrong",
}
_ROUNDING = 1e-3  # of σ_max(J), which is computed in the precision of the network


@dataclass(frozen=True)
class _Certified:
    """Certificates by image size, and what they say of every sample."""

    by_size: Mapping[tuple[int, int], Certificate]
    constants: Mapping[str, float]
    entries: Mapping[str, int]
    sensitivities: Mapping[str, float]
    """σ_max of the Jacobian at every sample."""


def certify(job: Job) -> Record:
    """Certify the network of `checkpoint` or `reconstructor`; returns the run's record."""
    planned = plan(job)
    if build(planned.settings, "attack").norm != "l2":
        raise InputError("certificates are for ℓ₂ budgets", "attack.norm", "set attack.norm=l2")
    return conduct(planned, Steps(partial(_certifiable, planned), partial(_measure, planned)))


def _certifiable(planned: Plan) -> Reconstructor:
    """Load the network, if some theorem is about it; nothing is written if none is."""
    network = given_network(planned.settings)
    check_theorem(network)
    return network


def _certificates(planned: Plan, network: Reconstructor) -> _Certified:
    """Compute the certificate of every image size, and compare it with the Jacobian at every sample."""
    settings, draws = planned.settings.evaluation, Draws(planned.data_seed)
    by_size: dict[tuple[int, int], Certificate] = {}
    constants, entries, sensitivities = dict[str, float](), dict[str, int](), dict[str, float]()
    images = measured_images(planned.images, settings)
    for measured in batches(images, Measure(planned.acquisition, draws), settings.batch_size):
        batch = measured.to(planned.device)
        shape = batch.x.shape[-2], batch.x.shape[-1]
        found = certify_network(network, batch.operator, batch.x)
        if shape in by_size and by_size[shape] != found:
            found = max(found, by_size[shape], key=lambda one: one.L)
        by_size[shape] = found
        reached = _largest(network, batch, draws)
        for i, sample in enumerate(batch.samples):
            constants[sample], entries[sample] = found.L, batch.x[i].numel()
            sensitivities[sample] = reached[i]
            if reached[i] > found.L * (1 + _ROUNDING):
                what = f"σ_max(J) = {reached[i]:.4f} at sample {sample} exceeds L = {found.L:.4f}"
                raise CheckFailed(f"the certificate is wrong: {what}: mend the ingredients that are declared")
    return _Certified(by_size, constants, entries, sensitivities)


def _largest(network: Reconstructor, batch: Batch, draws: Draws) -> list[float]:
    """Return a lower bound of σ_max(J) at every sample, NaN where there is no second derivative."""
    try:
        return sensitivity(deepcopy(network).eval(), batch, draws, iterations=20, probes=1).largest.tolist()
    except Exception as error:  # a network from outside may raise anything; the attack still stands against L
        if isinstance(error, RunError) or (isinstance(error, RuntimeError | MemoryError) and as_run_error(error)):
            raise
        return [math.nan] * len(batch)


def _measure(planned: Plan, network: Reconstructor, run: RunDirectory, tracker: Tracker) -> None:
    """Certify, attack, compare, and write it all."""
    settings = planned.settings
    network = network.to(planned.device).eval()
    certified = _certificates(planned, network)
    attack = auto_pgd(build(settings, "attack"), settings.audit.steps)
    start = getattr(network, "start", "adjoint")
    result = evaluate(
        {"network": network, "x0": StartingPoint(start).to(planned.device)},
        planned.images,
        planned.acquisition,
        conditions((ATTACK, attack), {}, replace(settings.evaluation, iterations=(), fresh_noise="none")),
        seed=planned.data_seed,
        settings=settings.evaluation,
        device=planned.device,
        volume_metrics=planned.source.fastmri_layout,
        workers=settings.trainer.workers,
    )
    rows = [row for row in result.rows if row["reconstructor"] == "network"]
    found = floors(rows, certified.constants, certified.entries, ATTACK)
    broken = [floor for floor in found if not floor.holds]
    run.write_rows("samples.csv", SAMPLE_COLUMNS, result.rows)
    run.write_json("summary.json", result.summary)
    run.write_rows("certificate.csv", COLUMNS, table(found))
    summary = _report(planned, certified, found, result, run, tracker)
    run.write_json("certificate.json", summary | {"broken": len(broken)})
    for floor in broken:
        say(f"broken: {floor.sample} at ε = {floor.epsilon:g}: error {floor.attacked:g} above {floor.certified:g}")
    run.update(exit_code=int(ExitCode.CHECK_FAILED if broken else ExitCode.DONE))
    say(f"run directory: {run.path}")


def _report(
    planned: Plan, certified: _Certified, found: Sequence[Floor], result: Result, run: RunDirectory, tracker: Tracker
) -> dict[str, object]:
    """Draw and log the figure, print the table; returns what ``certificate.json`` says."""
    settings, rows = planned.settings, table(found)
    clean, start = (result.summary[name]["clean"]["psnr"]["mean"] or math.nan for name in ("network", "x0"))
    L, reached = max(certified.constants.values()), max(certified.sensitivities.values())
    tightness = L / reached if reached else math.inf
    who = settings.reconstructor or f"{settings.architecture.name}, {settings.strategy.name}"
    title, shown = f"{settings.task}, {who}: L = {L:.3f}", averaged(rows)
    floor_figure(shown, clean, start, label(title), run.figures)
    tracker.images("certificate", [run.figures / "certificate.png"])
    tracker.table("floors", list(COLUMNS), [list(row.values()) for row in rows])
    numbers = {"L": L, "sigma_max": reached, "L_over_sigma_max": tightness, "gain_db": clean - start}
    tracker.summary({f"certificate/{key}": value for key, value in numbers.items()})
    show(floor_table(shown, title))
    for shape, one in certified.by_size.items():
        say(f"{shape[0]} x {shape[1]}: L = {one.L:.4f} ({one.form}, K = {len(one.steps)}, ‖A‖ ≤ {one.norm:.4f})")
        for layer in one.layers:
            say(f"  {layer.name}: norm at most {layer.norm:.4f}, {layer.bound:g} is allowed")
        for step in one.steps:
            weight = "" if step.weight is None else f", c = {step.weight:.4f}"
            say(f"  iteration {step.k}: η = {step.eta:.4f}{weight}, L² grows by {step.growth:.4f} to {step.L**2:.4f}")
    say(f"gain over the starting point: {clean - start:+.2f} dB")
    say(f"L / σ_max(J) = {tightness:.3f} (σ_max = {reached:.4f}); shorter steps and fewer iterations lower L")
    return {
        "certificates": [asdict(one) for one in certified.by_size.values()],
        **numbers,
        "rho": list(shown.rho),
        "bracket": list(shown.bracket),
        "definitions": DEFINITIONS,
    }
