"""What laying a skin onto a grey scene costs in truth: the composed picture against Mitsuba's own with that skin.

    python -m benchmarks.full_render [--size 256] [--samples 512]

A head is lit by a DSLR's ring and by a window; skins of six tones, with melasma, are laid onto its buffers and rendered
in full with their reflectance as texture, six bounces. Light within the skin (the blur) and gloss are left out of both,
because Mitsuba's texture has neither. Printed: relative difference of the light of skin that faces the camera.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from melascope.cohort import matter, studio
from melascope.cohort.chart import face_chart
from melascope.cohort.face import make_face
from melascope.cohort.growth import sample_lesion
from melascope.cohort.patient import Cohort, sample_cast
from melascope.cohort.photograph import scene_light
from melascope.cohort.scene import sitter
from melascope.cohort.shot import sample_shot
from melascope.cohort.skin import sample_skin
from melascope.vocabulary import Lesion


def main() -> None:
    """Prints one line a skin and light."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--samples", type=int, default=512)
    given = parser.parse_args()
    chart, person = face_chart(), sitter(sample_cast(Cohort(1, 3), 0))
    person = replace(person, worn=[], eyes=[], hair=None, brows=None, lashes=None, beard=None)
    studio.scatter = lambda light, *_: light  # type: ignore[assignment]
    for device in ("dslr", "phone"):
        rng = np.random.default_rng(1)
        shot = sample_shot(rng, device=device, view="frontal", size_px=given.size)  # type: ignore[arg-type]
        buffers = studio.render(person, shot)
        for ita in (58, 48, 34, 18, -10, -45):
            skin = sample_skin(np.random.default_rng(ita + 100), age_years=40, sex="female", ita_deg=ita)
            lesion = sample_lesion(np.random.default_rng(1), Lesion.MELASMA, severity=0.5)
            face = make_face(skin, [lesion], chart)
            flat = replace(face, height_mm=np.zeros_like(face.height_mm), gloss=np.zeros_like(face.gloss))
            ours, _ = scene_light(flat, buffers, (0.02, 0.02, 0.02))
            theirs = in_full(person, shot, face.reflectance, given.samples)
            where = (buffers.on_chart > 0.99) & (buffers.cosine > 0.5)
            ratio = np.log(np.maximum(ours[where], 1e-6) / np.maximum(theirs[where], 1e-6))
            bias, spread = 100 * ratio.mean(axis=0), 100 * np.abs(ratio - ratio.mean(axis=0)).mean(axis=0)
            print(
                f"{device:6} {shot.light:10} ITA {ita:4d}  bias R, G, B {bias.round(1)} %, "
                f"mean absolute deviation {spread.round(1)} %"
            )


def in_full(person: Any, shot: Any, reflectance: Any, samples: int) -> Any:
    """Light of a scene whose skin has a reflectance, relative to a white card."""
    import mitsuba as mi

    matter.variant()
    bitmap = mi.Bitmap(np.ascontiguousarray(reflectance, np.float32))
    plain = matter._diffuse
    texture = {"type": "bitmap", "bitmap": bitmap, "raw": True, "wrap_mode": "clamp"}
    matter._diffuse = lambda value: (  # type: ignore[assignment]
        {"type": "diffuse", "reflectance": texture} if value == matter.GREY else plain(value)
    )
    try:
        with studio.build_stage(person, shot) as stage:
            stage.show(studio.LIGHT)
            light = studio.trace(stage, shot, studio._path(6), shot.size_px, samples)[..., :3]
    finally:
        matter._diffuse = plain
    white = studio.card_light(shot.lamps, shot.room, studio._TURNS_DEG[shot.device]).astype(np.float32)
    return light / white


if __name__ == "__main__":
    main()
