"""A plain transcription of the authors' arithmetic in NumPy, from its description; it imports nothing of the project.

Complex images are two real channels, k-space is not centred, and nothing is shared or simplified between iterations.
Shapes: images (B, C, H, W).
"""

import numpy as np


def convolve(x, weight, bias=None):
    """Zero-padded 2-D cross-correlation, as deep learning has it."""
    pad = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height, width = x.shape[-2:]
    out = np.zeros((x.shape[0], weight.shape[0], height, width))
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            part = padded[:, :, i : i + height, j : j + width]
            out += np.einsum("bchw,oc->bohw", part, weight[:, :, i, j])
    return out if bias is None else out + bias[:, None, None]


def group_norm(x, groups, weight, bias):
    b, c, h, w = x.shape
    grouped = x.reshape(b, groups, -1)
    mean, variance = grouped.mean(-1, keepdims=True), grouped.var(-1, keepdims=True)
    normal = ((grouped - mean) / np.sqrt(variance + 1e-5)).reshape(b, c, h, w)
    return normal * weight[:, None, None] + bias[:, None, None]


def dncnn(x, layers):
    """Convolutions without bias: ReLU after the first, GroupNorm(4) and ReLU after the others, none after the last."""
    first, middle, last = layers
    x = np.maximum(convolve(x, first), 0)
    for weight, scale, shift in middle:
        x = np.maximum(group_norm(convolve(x, weight), 4, scale, shift), 0)
    return convolve(x, last)


def seismic_cnn(y, x, layers):
    """CNN of (y, x): three convolutions with GroupNorm(4) and ReLU, one to a single channel, one of 1 x 1."""
    three, (weight, bias), (weight1, bias1) = layers
    out = np.concatenate([y, x], axis=1)
    for w, b, scale, shift in three:
        out = np.maximum(group_norm(convolve(out, w, b), 4, scale, shift), 0)
    return convolve(convolve(out, weight, bias), weight1, bias1)


class RowMaskedFourier:
    """A: rows of k-space dropped, then un-centred. The adjoint does not mask."""

    def __init__(self, rows):
        self.rows = rows

    def forward(self, x):
        k = np.fft.fft2(np.fft.ifftshift(x[:, 0] + 1j * x[:, 1], axes=(-2, -1)), norm="ortho")
        k = np.fft.fftshift(k, axes=(-2, -1)) * self.rows[:, None]
        k = np.fft.ifftshift(k, axes=(-2, -1))
        return np.stack([k.real, k.imag], axis=1)

    def adjoint(self, y):
        x = np.fft.fftshift(np.fft.ifft2(y[:, 0] + 1j * y[:, 1], norm="ortho"), axes=(-2, -1))
        return np.stack([x.real, x.imag], axis=1)


class ColumnConvolution:
    """A: the same symmetric wavelet down every column; its own adjoint."""

    def __init__(self, wavelet, size):
        half = len(wavelet) // 2
        self.matrix = np.zeros((size, size))
        for row in range(size):
            for column in range(size):
                if abs(row - column) <= half:
                    self.matrix[row, column] = wavelet[row - column + half]

    def forward(self, x):
        return np.einsum("ij,bcjw->bciw", self.matrix, x)

    def adjoint(self, y):
        return np.einsum("ji,bcjw->bciw", self.matrix, y)


def unrolled(form, operator, learned, e, rule, start, count, y, sigma=0.0, noise=None):
    """All iterates x_0 ... x_K.

    form "gd" steps along the learned gradient, which their MRI network gives a skip connection; "prox" applies it.
    With jitter, the noise of iteration k is noise[k] * sigma * max(iterate after the data step).
    """
    step = np.exp(e) if rule == "exp" else 0.1 / (1 + np.exp(-e))
    x = operator.adjoint(y) if start == "adjoint" else y
    iterates = [x]
    for k in range(count):
        data = operator.adjoint(operator.forward(x) - y)
        z = x - step * data
        w = 0.0 if noise is None else sigma * z.max() * noise[k]
        # the proximal noise is not scaled by the step: so it is in the code
        x = x - step * (data + learned(y, x) + w) if form == "gd" else learned(y, z - np.exp(e) * w)
        iterates.append(x)
    return iterates


def pgd(reconstruct, x, y, epsilon, steps, alpha):
    """Zero start, normalised-gradient steps, projection per sample, last iterate; gradient by central differences."""
    delta = np.zeros_like(y)
    for _ in range(steps):
        gradient = np.zeros_like(y)
        for index in np.ndindex(y.shape):
            bump = np.zeros_like(y)
            bump[index] = 1e-6
            sample = index[0]
            losses = [np.mean((reconstruct(y + delta + s * bump)[sample] - x[sample]) ** 2) for s in (1, -1)]
            gradient[index] = (losses[0] - losses[1]) / 2e-6
        norms = np.sqrt(np.sum(gradient**2, axis=(1, 2, 3), keepdims=True))
        delta = delta + alpha * gradient / norms
        size = np.sqrt(np.sum(delta**2, axis=(1, 2, 3), keepdims=True))
        delta = delta * np.minimum(1, epsilon / size)
    return delta


def clamped_psnr(prediction, reference):
    """PSNR of channel 0, the real part; the prediction is clamped to [0, 1], the reference is not."""
    error = np.mean((np.clip(prediction[:, 0], 0, 1) - reference[:, 0]) ** 2, axis=(1, 2))
    return -10 * np.log10(error)
