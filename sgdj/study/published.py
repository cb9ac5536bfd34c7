"""The paper's reported figures: Guan & Davenport (2025), gradient form, PSNR in dB and SSIM.

Its rows for SPGD jittering and for denoising were not at hand; those cells stay empty.
"""

_COLUMNS = ("in-distribution", "adversarial", "out-of-distribution")
_TABLES = {
    "seismic": {
        "mse": ((34.64, 0.921), (28.85, 0.829), (34.57, 0.918)),
        "adversarial": ((33.50, 0.903), (30.27, 0.849), (33.45, 0.902)),
        "input_jitter": ((32.92, 0.882), (30.10, 0.832), (32.91, 0.882)),
        "jitter": ((35.10, 0.928), (29.89, 0.842), (34.93, 0.927)),
    },
    "mri": {
        "mse": ((28.21, 0.603), (25.68, 0.382), (29.92, 0.779)),
        "adversarial": ((27.68, 0.564), (27.17, 0.549), (27.74, 0.597)),
        "input_jitter": ((28.18, 0.595), (25.05, 0.420), (29.97, 0.740)),
        "jitter": ((28.22, 0.607), (26.77, 0.552), (30.36, 0.788)),
    },
}


def reported(task: str, architecture: str, strategy: str) -> dict[str, tuple[float, float]]:
    """PSNR (dB) and SSIM by column; empty if the paper's figures are not known."""
    row = _TABLES.get(task, {}).get(strategy) if architecture == "gd" else None
    return dict(zip(_COLUMNS, row, strict=True)) if row else {}
