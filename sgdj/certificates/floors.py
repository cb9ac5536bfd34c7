"""Put certified floors beside what an attack and random noise reached, sample by sample."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from math import inf, log10, nan, sqrt

from sgdj.certificates.certificate import certified_error

#: Relative tolerance of an attack's error against the certified one: attacks compute in float32.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Floor:
    """Certified and attacked error of one sample at one budget.

    Parameters
    ----------
    sample, volume
        Id of the sample, and of its volume.
    factor
        Budget as a multiple of the attack's own.
    epsilon
        Budget ε, the ℓ₂ norm that no perturbation exceeds, in the unit of y.
    rho
        The same relative to ‖y‖.
    L
        Lipschitz constant of the reconstruction.
    clean, attacked
        ℓ₂ error of the reconstruction without a perturbation and under the attack; complex difference if complex.
    certified
        ℓ₂ error that no perturbation of this norm exceeds.
    psnr, noise_psnr, attack_psnr
        PSNR in dB without a perturbation, under random noise and under the attack.
    floor_psnr
        PSNR in dB that no perturbation of this norm goes below.
    bracket
        L ε over the increase of the error that the attack reached, at least 1; the truth lies between.
    """

    sample: str
    volume: str
    factor: float
    epsilon: float
    rho: float
    L: float
    clean: float
    attacked: float
    certified: float
    psnr: float
    noise_psnr: float
    attack_psnr: float
    floor_psnr: float
    bracket: float

    @property
    def holds(self) -> bool:
        """Whether the attack's error is at most the certified one, and its PSNR at least the floor."""
        most = self.certified * (1 + TOLERANCE)
        return not self.attacked > most and not self.attack_psnr < self.floor_psnr + 20 * log10(1 / (1 + TOLERANCE))


COLUMNS = tuple(field.name for field in fields(Floor))


def _psnr(error: float, entries: int) -> float:
    return -20 * log10(error / sqrt(entries)) if error > 0 else inf


def floors(
    rows: Iterable[Mapping[str, object]], constants: Mapping[str, float], entries: Mapping[str, int], attack: str
) -> list[Floor]:
    """Compute the floor of every sample at every budget.

    PSNR compares magnitudes, real parts or clamped images, each a map that brings no two images further apart: the same
    L ε bounds the growth of its error.

    Parameters
    ----------
    rows
        Rows of ``samples.csv`` of the network: clean, the attack and random noise at the same budgets.
    constants
        Lipschitz constant L of the network for every sample, by the sample's id.
    entries
        Number of pixels of every sample.
    attack
        Name of the attack in the rows.

    Returns
    -------
    list of Floor
        One for every sample and budget, by budget.
    """
    found: dict[tuple[str, float, str], Mapping[str, object]] = {}
    for row in rows:
        found[str(row["attack"]), _number(row, "factor") if row["attack"] else 0.0, str(row["sample"])] = row
    made = []
    for (name, factor, sample), row in found.items():
        if name != attack:
            continue
        clean, noise = found["", 0.0, sample], found.get(("gaussian", factor, sample))
        count, L, epsilon = entries[sample], constants[sample], _number(row, "epsilon")
        before, after = (sqrt(count * _number(one, "loss")) for one in (clean, row))
        own = sqrt(count) * 10 ** (-_number(clean, "psnr") / 20)
        made.append(
            Floor(
                sample=sample,
                volume=str(row["volume"]),
                factor=factor,
                epsilon=epsilon,
                rho=epsilon / _number(row, "y_norm") if _number(row, "y_norm") else nan,
                L=L,
                clean=before,
                attacked=after,
                certified=certified_error(before, L, epsilon),
                psnr=_number(clean, "psnr"),
                noise_psnr=nan if noise is None else _number(noise, "psnr"),
                attack_psnr=_number(row, "psnr"),
                floor_psnr=_psnr(certified_error(own, L, epsilon), count),
                bracket=L * epsilon / (after - before) if after > before else inf,
            )
        )
    return sorted(made, key=lambda floor: floor.factor)


def _number(row: Mapping[str, object], key: str) -> float:
    value = row[key]
    return float(value) if isinstance(value, int | float) else nan


def table(found: Sequence[Floor]) -> list[dict[str, str | float]]:
    """Turn floors into rows with `COLUMNS`."""
    return [dict(zip(COLUMNS, astuple(floor), strict=True)) for floor in found]
