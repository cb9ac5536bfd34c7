"""The authors' arithmetic in NumPy, transcribed from a description of their code; it imports nothing of the project.

Images are (B, C, H, W); complex ones are two real channels, and k-space is not centred. Nothing is shared or simplified
between iterations. Every function also takes numbers with an infinitesimal imaginary part, which carries an exact
derivative through it (the complex step), so that the attack's gradient needs no differences.
"""

import numpy as np

H = 1e-30  # of the complex step: so small that its square vanishes


def relu(x):
    return np.where(x.real > 0, x, 0)


def convolve(x, weight, bias=None):
    """Zero-padded 2-D cross-correlation, as deep learning has it."""
    pad = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height, width = x.shape[-2:]
    out = 0
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            part = padded[:, :, i : i + height, j : j + width]
            out = out + np.einsum("bchw,oc->bohw", part, weight[:, :, i, j])
    return out if bias is None else out + bias[:, None, None]


def group_norm(x, weight, bias, groups=4):
    b, c, h, w = x.shape
    grouped = x.reshape(b, groups, -1)
    centred = grouped - grouped.mean(-1, keepdims=True)
    normal = (centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)).reshape(b, c, h, w)
    return normal * weight[:, None, None] + bias[:, None, None]


def mri_network(layers):
    """DnCNN without biases, with a skip: R(x) = f(x) + x, in the gradient network as in the proximal one."""
    first, middle, last = layers

    def learned(y, x):
        out = relu(convolve(x, first))
        for weight, scale, shift in middle:
            out = relu(group_norm(convolve(out, weight), scale, shift))
        return convolve(out, last) + x

    return learned


def seismic_network(layers):
    """CNN of (y, x) without a skip: three 3 x 3 layers, one to a single channel, one of 1 x 1."""
    three, (weight, bias), (weight1, bias1) = layers

    def learned(y, x):
        out = np.concatenate([y, x], axis=1)
        for w, b, scale, shift in three:
            out = relu(group_norm(convolve(out, w, b), scale, shift))
        return convolve(convolve(out, weight, bias), weight1, bias1)

    return learned


def _transform(x, sign):
    """Orthonormal 2-D Fourier transform of two real channels, as the sums that define it."""
    re, im = x[:, 0], x[:, 1]
    for axis, n in ((1, x.shape[-2]), (2, x.shape[-1])):
        angle = sign * 2 * np.pi * np.outer(np.arange(n), np.arange(n)) / n
        cos, sin = np.cos(angle) / np.sqrt(n), np.sin(angle) / np.sqrt(n)
        along = "kh,bhw->bkw" if axis == 1 else "kw,bhw->bhk"
        re, im = (
            np.einsum(along, cos, re) - np.einsum(along, sin, im),
            np.einsum(along, sin, re) + np.einsum(along, cos, im),
        )
    return np.stack([re, im], axis=1)


class RowMaskedFourier:
    """A drops rows of k-space, and un-centres it afterwards; its adjoint does not mask."""

    def __init__(self, rows):
        self.rows = rows

    def forward(self, x):
        plane = (-2, -1)
        k = np.fft.fftshift(_transform(np.fft.ifftshift(x, axes=plane), -1), axes=plane)
        return np.fft.ifftshift(k * self.rows[:, None], axes=plane)

    def adjoint(self, y):
        return np.fft.fftshift(_transform(y, 1), axes=(-2, -1))


class ColumnConvolution:
    """A is the same symmetric wavelet down every column, and its own adjoint."""

    def __init__(self, wavelet, size):
        half = len(wavelet) // 2
        self.matrix = np.zeros((size, size))
        for row in range(size):
            for column in range(size):
                if abs(row - column) <= half:
                    self.matrix[row, column] = wavelet[row - column + half]

    def forward(self, x):
        return self.matrix @ x

    def adjoint(self, y):
        return self.forward(y)


def unrolled(form, task, operator, learned, e, count, y, sigma=0.0, noise=None):
    """All iterates x_0 ... x_K.

    With jitter, the noise of iteration k is noise[k] * sigma * max(iterate after the data step): the signed maximum
    over the whole batch and both channels.
    """
    step = np.exp(e) if task == "mri" else 0.1 / (1 + np.exp(-e))
    x = operator.adjoint(y) if task == "mri" else y
    iterates = [x]
    for k in range(count):
        data = operator.adjoint(operator.forward(x) - y)
        z = x - step * data
        w = 0.0 if noise is None else sigma * z.flat[np.argmax(z.real)] * noise[k]
        # the proximal noise is scaled by exp(e), also where the step is not
        x = x - step * (data + learned(y, x) + w) if form == "gd" else learned(y, z - np.exp(e) * w)
        iterates.append(x)
    return iterates


def loss(prediction, reference):
    """Mean over everything, both channels included."""
    return np.mean((prediction - reference) ** 2)


def gradient(reconstruct, x, y):
    """Derivative of one sample's loss by its measurement: y and x are (C, H, W)."""
    many = np.repeat(y[None].astype(complex), y.size, axis=0)
    many.reshape(y.size, -1)[np.arange(y.size), np.arange(y.size)] += 1j * H
    values = np.mean((reconstruct(many) - x) ** 2, axis=(1, 2, 3))
    return (values.imag / H).reshape(y.shape)


def pgd(reconstruct, x, y, epsilon, steps, alpha):
    """Zero start, normalised-gradient steps on the loss over both channels, projection per sample, last iterate."""
    delta = np.zeros_like(y)
    for _ in range(steps):
        for i in range(len(y)):
            slope = gradient(reconstruct, x[i], y[i] + delta[i])
            moved = delta[i] + alpha * slope / np.linalg.norm(slope)
            delta[i] = moved * min(1, epsilon / np.linalg.norm(moved))
    return delta


def _psnr(a, b):
    with np.errstate(divide="ignore"):
        return -10 * np.log10(np.mean((a - b) ** 2, axis=(1, 2)))


def mri_psnr(prediction, reference):
    """PSNR of the first channels, the real parts, both clamped to [0, 1]."""
    return _psnr(np.clip(prediction[:, 0], 0, 1), np.clip(reference[:, 0], 0, 1))


def seismic_psnr(prediction, reference):
    """PSNR of a prediction that is clamped to [0, 1], and a reference that is not."""
    return _psnr(np.clip(prediction[:, 0], 0, 1), reference[:, 0])


def seismic_scale(x, y):
    """A stored section and its noisy trace, both divided by the trace's largest magnitude."""
    top = np.abs(y).max(axis=(1, 2, 3), keepdims=True)
    return x / top, y / top


def sections(rng, count, size, reflectors):
    """Reflectivity: in each trace some positions, without replacement, with amplitudes uniform in ±0.4."""
    x = np.zeros((count, 1, size, size))
    for section in x[:, 0]:
        for trace in section.T:
            trace[rng.choice(size, reflectors, replace=False)] = rng.uniform(-0.4, 0.4, reflectors)
    return x
