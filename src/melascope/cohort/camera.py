"""From light to picture: exposure, white balance, lens, noise, and what the device makes of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.photo.light import LUMINANCE

__all__ = ["CameraParameters", "develop", "encode_jpeg", "sample_camera"]

_LUMINANCE: Final = LUMINANCE.astype(np.float32)
_GREY: Final = 0.2
"""Linear level to which a meter brings the middle of a picture."""
_UNIT_PX: Final = 768.0
"""Blur and sharpening are said in pixels of a picture of this side."""
_STEPS: Final = 32768


@dataclass(frozen=True)
class CameraParameters:
    """A camera at one moment; lengths in pixels of a picture of 768 px.

    Attributes:
        device: "dslr" or "phone".
        exposure_ev: Exposure error in stops.
        metering: 0: exposed for a grey card; 1: the picture's middle is brought to mid grey whatever it shows.
        red_gain: White balance error, red relative to green.
        blue_gain: White balance error, blue relative to green.
        vignette: Loss of light in the corners, 0 to 1.
        blur_px: Standard deviation of the lens's blur (focus, aperture).
        shake_px: Length of the path that the picture takes during exposure.
        shake_deg: Its main direction.
        full_well: Electrons of a pixel of the small picture at white: shot noise.
        read_noise: Standard deviation of noise in the dark, share of white.
        luma_smoothing_px: Standard deviation of the device's smoothing of brightness where nothing stands out.
        chroma_smoothing_px: Of its smoothing of colour.
        shoulder: 0: light above white is cut; above 0: it is bent from here below white.
        contrast: Strength of the device's S-curve; 0 is plain sRGB.
        saturation: 1 leaves colours as they are.
        sharpening: Strength of unsharp masking of brightness.
        sharpening_px: Its standard deviation.
        jpeg_quality: For `encode_jpeg`.
        seed: Of noise and shake.
    """

    device: str
    exposure_ev: float = 0.0
    metering: float = 0.0
    red_gain: float = 1.0
    blue_gain: float = 1.0
    vignette: float = 0.0
    blur_px: float = 0.0
    shake_px: float = 0.0
    shake_deg: float = 0.0
    full_well: float = 1e6
    read_noise: float = 0.0
    luma_smoothing_px: float = 0.0
    chroma_smoothing_px: float = 0.0
    shoulder: float = 0.0
    contrast: float = 0.0
    saturation: float = 1.0
    sharpening: float = 0.0
    sharpening_px: float = 1.0
    jpeg_quality: int = 95
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) and not np.isfinite(value):
                raise ValueError(f"{field.name} = {value}: must be a finite number")
        for name, low, high in (
            ("metering", 0, 1),
            ("vignette", 0, 1),
            ("shoulder", 0, 0.9),
            ("contrast", 0, 1),
            ("jpeg_quality", 1, 100),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} = {getattr(self, name)}: must lie between {low} and {high}")
        if min(self.red_gain, self.blue_gain, self.full_well) <= 0:
            raise ValueError("red_gain, blue_gain and full_well must be above 0")


def sample_camera(rng: np.random.Generator, device: str) -> CameraParameters:
    """Draws a camera: a DSLR as a clinic keeps it (grey-card balanced, hardly any noise), or somebody's telephone.

    Raises:
        ValueError: The device is neither "dslr" nor "phone".
    """
    if device not in ("dslr", "phone"):
        raise ValueError(f'device "{device}": must be "dslr" or "phone"')
    seed = int(rng.integers(2**31 - 1))
    if device == "dslr":
        return CameraParameters(
            device=device,
            exposure_ev=float(rng.normal(0, 0.05)),
            red_gain=float(np.exp(rng.normal(0, 0.008))),
            blue_gain=float(np.exp(rng.normal(0, 0.010))),
            vignette=float(rng.uniform(0.0, 0.06)),
            blur_px=float(rng.uniform(0.4, 0.65)),
            full_well=float(rng.uniform(60_000, 150_000)),
            read_noise=float(rng.uniform(0.0002, 0.0006)),
            sharpening=float(rng.uniform(0.0, 0.3)),
            sharpening_px=0.8,
            jpeg_quality=int(rng.integers(93, 98)),
            seed=seed,
        )
    warmth, green = rng.normal(0, 0.055), rng.normal(0, 0.022)
    dim = float(rng.beta(1.3, 3.0))
    return CameraParameters(
        device=device,
        exposure_ev=float(rng.normal(0.1, 0.25)),
        metering=float(rng.uniform(0.25, 0.65)),
        red_gain=float(np.exp(warmth - green)),
        blue_gain=float(np.exp(-warmth - green)),
        vignette=float(rng.uniform(0.05, 0.25)),
        blur_px=float(0.5 + rng.gamma(1.5, 0.22)),
        shake_px=float(rng.gamma(1.2, 0.8)) * (1 + dim) if rng.random() < 0.6 else 0.0,
        shake_deg=float(rng.uniform(0, 180)),
        full_well=float(40_000 * np.exp(-3.2 * dim)),
        read_noise=float(0.0006 + 0.004 * dim**2),
        luma_smoothing_px=float(0.5 + 1.6 * dim),
        chroma_smoothing_px=float(rng.uniform(0.8, 1.6) + 2.0 * dim),
        shoulder=float(rng.uniform(0.15, 0.45)),
        contrast=float(rng.uniform(0.05, 0.35)),
        saturation=float(rng.uniform(0.98, 1.2)),
        sharpening=float(rng.uniform(0.3, 1.1)),
        sharpening_px=float(rng.uniform(0.8, 1.5)),
        jpeg_quality=int(rng.integers(72, 95)),
        seed=seed,
    )


def develop(linear: NDArray[np.float32], parameters: CameraParameters) -> NDArray[np.uint8]:
    """The picture (H, W, 3) sRGB of linear light (H, W, 3), in which 1 is a white card at the face.

    A DSLR without errors gives sRGB of the light itself. Errors of exposure and balance come before the noise, noise
    before the tone curve, as in a camera.

    Raises:
        ValueError: The light is not (H, W, 3), or not finite.
    """
    if linear.ndim != 3 or linear.shape[2] != 3:
        raise ValueError(f"light of shape {linear.shape}: must be (H, W, 3)")
    if not np.isfinite(linear).all():
        raise ValueError("light holds infinities or NaN: fill places that show nothing with 0")
    p = parameters
    rng = np.random.default_rng(p.seed)
    scale = max(linear.shape[:2]) / _UNIT_PX
    light = _lens(np.maximum(linear, np.float32(0)), p, scale, rng)
    gains = np.array([p.red_gain, 1.0, p.blue_gain])
    light *= (_exposure(light, p) * gains / float(gains @ LUMINANCE)).astype(np.float32)
    light += rng.standard_normal(light.shape, dtype=np.float32) * np.sqrt(
        np.minimum(light, np.float32(1.2)) * np.float32(1 / p.full_well) + np.float32(p.read_noise**2)
    )
    return _finish(_denoised(light, p, scale), p, scale)


def encode_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """A JPEG file, colour at half resolution (4:2:0), without metadata."""
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality {quality}: must lie between 1 and 100")
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    done, file = cv2.imencode(".jpg", pixels[..., ::-1], settings)
    if not done:
        raise ValueError(
            f"picture of shape {pixels.shape} and type {pixels.dtype} cannot be encoded: give uint8 (H, W, 3)"
        )
    return bytes(file)


def _lens(
    light: NDArray[np.float32], p: CameraParameters, scale: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    h, w = light.shape[:2]
    if p.blur_px * scale > 0.2:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), p.blur_px * scale), np.float32)
    if p.shake_px * scale > 0.5:
        light = np.asarray(cv2.filter2D(light, -1, _shake(p, scale, rng), borderType=cv2.BORDER_REFLECT), np.float32)
    y = (np.arange(h, dtype=np.float32) - np.float32((h - 1) / 2))[:, None]
    x = np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2)
    square = (x * x + y * y) / np.float32((h * h + w * w) / 4)
    # Large kernels go through a Fourier transform, which leaves tiny negative light.
    return np.maximum(light * (1 - np.float32(p.vignette) * square)[..., None], np.float32(0))


def _shake(p: CameraParameters, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A trembling hand: a smooth path, mostly along one direction."""
    steps = np.cumsum(rng.standard_normal((64, 2)), axis=0) * 0.04
    along = np.linspace(-0.5, 0.5, 64)[:, None] * [np.cos(np.radians(p.shake_deg)), np.sin(np.radians(p.shake_deg))]
    path = (along + (steps - steps.mean(axis=0)) * 0.5) * p.shake_px * scale
    reach = int(np.ceil(np.abs(path).max())) + 2
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    grid = np.arange(-reach, reach + 1)
    for x, y in path:
        kernel += np.maximum(0, 1 - np.abs(grid - y))[:, None] * np.maximum(0, 1 - np.abs(grid - x))
    return np.asarray(kernel / kernel.sum(), np.float32)


def _exposure(light: NDArray[np.float32], p: CameraParameters) -> float:
    """Gain by the card (1), mixed with the gain by a meter that weighs the middle, and saves highlights."""
    gain = 1.0
    if p.metering > 0:
        small = cv2.resize(light, (48, 48), interpolation=cv2.INTER_AREA) @ _LUMINANCE
        across = np.linspace(-1, 1, 48)
        weight = np.exp(-((across[:, None] ** 2 + across**2) / 0.5))
        middle = max(float(np.exp((weight * np.log(small + 0.01)).sum() / weight.sum())) - 0.01, 0.004)
        gain = float((_GREY / middle) ** p.metering)
        bright = float(np.quantile(small[12:36, 12:36], 0.95))
        gain = min(gain, 0.85 / max(bright, 1e-3))
    return float(gain * 2.0**p.exposure_ev)


def _denoised(light: NDArray[np.float32], p: CameraParameters, scale: float) -> NDArray[np.float32]:
    if p.chroma_smoothing_px <= 0 and p.luma_smoothing_px <= 0:
        return light
    luma = light @ _LUMINANCE
    colour = light - luma[..., None]
    if p.chroma_smoothing_px > 0:
        colour = cv2.GaussianBlur(colour, (0, 0), p.chroma_smoothing_px * scale)
    if p.luma_smoothing_px > 0:
        sigma = p.luma_smoothing_px * scale
        even = cv2.GaussianBlur(luma, (0, 0), sigma)
        variance = cv2.GaussianBlur((luma - even) ** 2, (0, 0), 2 * sigma)
        noise = np.maximum(even, 0) * np.float32(1 / p.full_well) + np.float32(p.read_noise**2 + 1e-9)
        # Wiener's rule: what varies no more than noise is smoothed away, detail stays.
        keep = np.clip(1 - np.float32(0.7) * noise / np.maximum(variance, np.float32(1e-9)), 0, 1)
        luma = even + keep * (luma - even)
    return np.asarray(colour + luma[..., None], np.float32)


def _finish(light: NDArray[np.float32], p: CameraParameters, scale: float) -> NDArray[np.uint8]:
    encoded = _curve(p)[np.clip(light * np.float32(_STEPS / 2), 0, _STEPS).astype(np.float32).round().astype(np.int32)]
    if p.saturation != 1.0 or p.sharpening > 0:
        luma = encoded @ _LUMINANCE
        change = np.zeros_like(luma)
        if p.sharpening > 0:
            detail = luma - cv2.GaussianBlur(luma, (0, 0), p.sharpening_px * scale)
            # Halos are held, as devices hold them.
            change = np.float32(p.sharpening) * np.clip(detail, -0.06, 0.06)
        encoded = luma[..., None] + np.float32(p.saturation) * (encoded - luma[..., None]) + change[..., None]
    return np.asarray(np.clip(encoded * 255 + np.float32(0.5), 0, 255), np.uint8)


def _curve(p: CameraParameters) -> NDArray[np.float32]:
    """Encoded value, 0 to 1, of linear light from 0 to 2 in even steps."""
    light = np.linspace(0, 2, _STEPS + 1)
    if p.shoulder > 0:
        knee = 1 - p.shoulder
        over = np.maximum(light - knee, 0)
        light = np.minimum(light, knee) + p.shoulder * (1 - np.exp(-over / p.shoulder))
    light = np.clip(light, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    bent = encoded * encoded * (3 - 2 * encoded)
    return np.asarray(encoded + p.contrast * (bent - encoded), np.float32)
