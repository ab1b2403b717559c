"""Overlaps, assignment, decoding and losses against slow, literal references."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from melascope.lab.detect import boxes as b  # noqa: E402
from melascope.lab.detect.assignment import Targets, by_ratio, by_shape, kinds_by_overlap  # noqa: E402
from melascope.lab.detect.decoding import SPREAD, at_places, spread_out, whole_map  # noqa: E402
from melascope.lab.detect.losses import class_loss, overlap_class_loss, yolo_losses  # noqa: E402
from melascope.lab.detect.recipe import read_recipe  # noqa: E402

SIDE, STRIDES, KINDS = 64, (8, 16, 32), 3
ANCHORS = torch.tensor([[[5.0, 6], [8, 14], [15, 11]], [[14, 30], [30, 22], [28, 28]], [[60, 45], [40, 60], [62, 62]]])


def some_boxes(seed: int, count: int, side: float = SIDE) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=rng) * side * 0.7
    return torch.cat((low, low + 1 + torch.rand(count, 2, generator=rng) * side * 0.3), dim=1)


def slow_iou(p: list[float], q: list[float]) -> tuple[float, float]:
    """Intersection over union, and the union."""
    w = max(0.0, min(p[2], q[2]) - max(p[0], q[0]))
    h = max(0.0, min(p[3], q[3]) - max(p[1], q[1]))
    union = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - w * h
    return w * h / union, union


def slow_giou(p: list[float], q: list[float]) -> float:
    """Ding et al. 2022, eq. 5."""
    iou, union = slow_iou(p, q)
    around = (max(p[2], q[2]) - min(p[0], q[0])) * (max(p[3], q[3]) - min(p[1], q[1]))
    return iou - (around - union) / around


def slow_ciou(p: list[float], q: list[float]) -> float:
    """Zheng et al. 2020, eq. 7 to 11."""
    iou, _ = slow_iou(p, q)
    c2 = (max(p[2], q[2]) - min(p[0], q[0])) ** 2 + (max(p[3], q[3]) - min(p[1], q[1])) ** 2
    d2 = ((p[0] + p[2] - q[0] - q[2]) / 2) ** 2 + ((p[1] + p[3] - q[1] - q[3]) / 2) ** 2
    v = 4 / math.pi**2 * (math.atan((q[2] - q[0]) / (q[3] - q[1])) - math.atan((p[2] - p[0]) / (p[3] - p[1]))) ** 2
    return iou - d2 / c2 - v / (1 - iou + v) * v


def test_overlaps_are_the_literal_ones() -> None:
    one, other = some_boxes(1, 30), some_boxes(2, 30)
    for i, (p, q) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        assert float(b.iou(one, other)[i]) == pytest.approx(slow_iou(p, q)[0], abs=1e-5)
        assert float(b.giou(one, other)[i]) == pytest.approx(slow_giou(p, q), abs=1e-5)
        assert float(b.ciou(one, other)[i]) == pytest.approx(slow_ciou(p, q), abs=1e-5)
        for j, r in enumerate(other.tolist()):
            assert float(b.iou_table(one, other)[i, j]) == pytest.approx(slow_iou(p, r)[0], abs=1e-5)
    assert torch.allclose(b.corners_of(b.centres_of(one)), one, atol=1e-5)
    assert torch.allclose(b.ciou(one, one), torch.ones(30), atol=1e-4)


def targets(seed: int, count: int, photos: int = 2) -> Targets:
    rng = torch.Generator().manual_seed(seed + 100)
    photo = torch.randint(0, photos, (count,), generator=rng)
    return Targets(photo, torch.randint(0, KINDS, (count,), generator=rng), some_boxes(seed, count))


@pytest.mark.parametrize("seed", range(3))
def test_the_published_rule_of_yolov5(seed: int) -> None:
    true = targets(seed, 8)
    for level, stride in enumerate(STRIDES):
        size = SIDE // stride
        expected = set()
        for t, (x0, y0, x1, y1) in enumerate(true.boxes.tolist()):
            x, y, w, h = (x0 + x1) / 2 / stride, (y0 + y1) / 2 / stride, x1 - x0, y1 - y0
            for a, (aw, ah) in enumerate(ANCHORS[level].tolist()):
                if max(w / aw, aw / w, h / ah, ah / h) >= 4:
                    continue
                cells = {(int(y), int(x))}
                if x % 1 < 0.5 and x > 1:
                    cells.add((int(y), int(x) - 1))
                if y % 1 < 0.5 and y > 1:
                    cells.add((int(y) - 1, int(x)))
                if (size - x) % 1 < 0.5 and size - x > 1:
                    cells.add((int(y), int(x) + 1))
                if (size - y) % 1 < 0.5 and size - y > 1:
                    cells.add((int(y) + 1, int(x)))
                expected |= {(int(true.photo[t]), a, row, column, t) for row, column in cells}
        found = by_ratio(true, ANCHORS[level], stride, (size, size))
        table = zip(
            *(getattr(found, name).tolist() for name in ("photo", "anchor", "row", "column", "truth")), strict=True
        )
        assert set(table) == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_published_rule_of_yolov4(seed: int) -> None:
    true = targets(seed, 8)
    sizes = [(SIDE // stride, SIDE // stride) for stride in STRIDES]
    found = by_shape(true, ANCHORS, torch.tensor(STRIDES), sizes)
    for level, stride in enumerate(STRIDES):
        expected = set()
        for t, (x0, y0, x1, y1) in enumerate(true.boxes.tolist()):
            w, h = x1 - x0, y1 - y0
            shapes = {}
            for at in range(9):
                aw, ah = ANCHORS[at // 3][at % 3].tolist()
                inside = min(w, aw) * min(h, ah)
                shapes[at] = inside / (w * h + aw * ah - inside)
            best = max(shapes, key=lambda at: shapes[at])
            for a in range(3):
                at = 3 * level + a
                if shapes[at] > 0.213 or at == best:
                    expected.add((a, int((y0 + y1) / 2 / stride), int((x0 + x1) / 2 / stride), t))
        one = found[level]
        assert (
            set(zip(*(getattr(one, n).tolist() for n in ("anchor", "row", "column", "truth")), strict=True)) == expected
        )


def test_the_papers_rule_for_the_class_loss() -> None:
    true = torch.tensor([[10.0, 10, 30, 30], [40.0, 40, 43, 43]])
    places = torch.cat([at_places(8, 8, ANCHORS[0], 8), at_places(4, 4, ANCHORS[1], 16)])
    found = kinds_by_overlap(true, places).tolist()
    forced = [max(range(len(places)), key=lambda m: slow_iou(t, places[m].tolist())[0]) for t in true.tolist()]
    for m, place in enumerate(places.tolist()):
        overlaps = [slow_iou(t, place)[0] for t in true.tolist()]
        if m in forced:
            assert found[m] == forced.index(m)
        elif max(overlaps) > 0.5:
            assert found[m] == overlaps.index(max(overlaps))
        else:
            assert found[m] == (-1 if max(overlaps) < 0.02 else -2)
    assert {-1, -2} < set(found)
    assert found.count(1) >= 1
    assert kinds_by_overlap(true[:0], places).unique().tolist() == [-1]


def test_class_losses_are_the_literal_cross_entropies() -> None:
    rng = torch.Generator().manual_seed(4)
    scores = torch.randn(6, KINDS, generator=rng)
    which, kinds = torch.tensor([0, -1, 1, -2, -1, 0]), torch.tensor([2, 0])

    def literal(score: float, target: float) -> float:
        """Eq. 7: −(p log p* + (1 − p) log(1 − p*))."""
        p = 1 / (1 + math.exp(-score))
        return -(target * math.log(p) + (1 - target) * math.log(1 - p))

    each = class_loss(scores, torch.tensor([0, 1, 2, 0, 1, 2]), 0.2)
    assert float(each[1, 1]) == pytest.approx(literal(float(scores[1, 1]), 0.9), abs=1e-5)
    assert float(each[1, 0]) == pytest.approx(literal(float(scores[1, 0]), 0.1), abs=1e-5)
    positive = [literal(float(scores[m, j]), float(j == kinds[which[m]])) for m in (0, 2, 5) for j in range(KINDS)]
    negative = [literal(float(scores[m, j]), 0.0) for m in (1, 4) for j in range(KINDS)]
    expected = sum(positive) / len(positive) + sum(negative) / len(negative)
    assert float(overlap_class_loss(scores, which, kinds, 0.0)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("decoding", ["v5", "v4"])
def test_decoding_is_the_literal_one(decoding: str) -> None:
    raw = torch.randn(1, 3, 4, 4, 4, generator=torch.Generator().manual_seed(5))
    found = whole_map(raw, ANCHORS[1], 16, decoding)

    def sigmoid(t: float) -> float:
        return 1 / (1 + math.exp(-t))

    for a, row, column in ((0, 0, 0), (2, 3, 1), (1, 2, 3)):
        tx, ty, tw, th = raw[0, a, row, column].tolist()
        pw, ph = ANCHORS[1, a].tolist()
        if decoding == "v5":
            x, y = (2 * sigmoid(tx) - 0.5 + column) * 16, (2 * sigmoid(ty) - 0.5 + row) * 16
            w, h = pw * (2 * sigmoid(tw)) ** 2, ph * (2 * sigmoid(th)) ** 2
        else:
            k = SPREAD[16]
            x, y = (k * sigmoid(tx) - (k - 1) / 2 + column) * 16, (k * sigmoid(ty) - (k - 1) / 2 + row) * 16
            w, h = pw * math.exp(tw), ph * math.exp(th)
        assert found[0, a, row, column].tolist() == pytest.approx(
            [x - w / 2, y - h / 2, x + w / 2, y + h / 2], abs=1e-3
        )


@pytest.mark.parametrize("classes", ["assigned", "overlap"])
@pytest.mark.parametrize("objectness", ["one", "overlap"])
def test_the_whole_loss_is_the_literal_sum(classes: str, objectness: str) -> None:
    loss = replace(read_recipe("ding2022").loss, classes=classes, objectness=objectness, assignment="ratio", box="giou")
    rng = torch.Generator().manual_seed(6)
    maps = [torch.randn(2, 3, SIDE // s, SIDE // s, 5 + KINDS, generator=rng) for s in STRIDES]
    true = targets(9, 5)
    found = yolo_losses(maps, true, ANCHORS, STRIDES, loss, "v5")
    box = objects = kinds = 0.0
    for level, (raw, stride) in enumerate(zip(maps, STRIDES, strict=True)):
        size = SIDE // stride
        at = by_ratio(true, ANCHORS[level], stride, (size, size))
        wanted: dict[tuple[int, ...], float] = {}
        boxes, names = [], []
        for p, a, r, c, t in zip(at.photo, at.anchor, at.row, at.column, at.truth, strict=True):
            cell = torch.tensor([float(c), float(r)])
            there = spread_out(raw[p, a, r, c, :4], cell, ANCHORS[level][a], stride, "v5").tolist()
            giou = slow_giou(there, true.boxes[t].tolist())
            boxes.append(1 - giou)
            key = (int(p), int(a), int(r), int(c))
            wanted[key] = max(wanted.get(key, 0.0), 1.0 if objectness == "one" else min(1.0, max(0.0, giou)))
            names += [
                float(torch.nn.functional.softplus(-s if j == true.kinds[t] else s))
                for j, s in enumerate(raw[p, a, r, c, 5:])
            ]
        box += sum(boxes) / len(boxes) if boxes else 0.0
        kinds += sum(names) / len(names) if names else 0.0
        target = torch.zeros(raw.shape[:4])
        for key, value in wanted.items():
            target[key] = value
        score = raw[..., 4]
        objects += loss.levels[level] * float((torch.nn.functional.softplus(score) - target * score).mean())
    if classes == "overlap":
        places = torch.cat([at_places(SIDE // s, SIDE // s, ANCHORS[i], s) for i, s in enumerate(STRIDES)])
        scores = torch.cat([raw[..., 5:].reshape(2, -1, KINDS) for raw in maps], dim=1)
        kinds = 0.0
        for photo in range(2):
            mine, own = true.of(photo)
            kinds += float(overlap_class_loss(scores[photo], kinds_by_overlap(mine, places), own, 0.0)) / 2
    assert float(found["box"]) == pytest.approx(box, abs=1e-4)
    assert float(found["objectness"]) == pytest.approx(objects, abs=1e-4)
    assert float(found["classes"]) == pytest.approx(kinds, abs=1e-4)
    weighted = loss.weight_box * box + loss.weight_objectness * objects + loss.weight_classes * kinds
    assert float(found["loss"]) == pytest.approx(2 * weighted, abs=1e-4)


def test_uncertain_places_do_not_count() -> None:
    """A box that nobody asked for but that fits well says nothing where `ignore` is set."""
    loss = replace(read_recipe("ding2022").loss, assignment="shape")
    maps = [torch.full((1, 3, SIDE // s, SIDE // s, 5 + KINDS), -9.0) for s in STRIDES]
    true = Targets(torch.tensor([0]), torch.tensor([1]), torch.tensor([[1.0, 5.0, 61.0, 50.0]]))
    for raw in maps:
        raw[..., :4] = 0.0

    def objectness(ignore: float) -> float:
        found = yolo_losses(maps, true, ANCHORS, STRIDES, replace(loss, ignore=ignore), "v4")
        return float(found["objectness"])

    # The anchor of 60 x 45 in the cell beside the one that has to find the box, drawn over to it.
    maps[2][0, 0, 0, 1, :4] = torch.tensor([-9.0, 1.67, 0, 0])
    near, far = (2, 0, 0, 0, 1), (2, 0, 2, 1, 1)
    for (level, *place), least, most in ((near, 0.7, 1.0), (far, 0.0, 0.7)):
        there = whole_map(maps[level], ANCHORS[level], STRIDES[level], "v4")[tuple(place)]
        assert least < slow_iou(there.tolist(), true.boxes[0].tolist())[0] < most
        quiet = objectness(0.7), objectness(1.0)
        maps[level][(*place, 4)] = 9.0
        loud = objectness(0.7), objectness(1.0)
        maps[level][(*place, 4)] = -9.0
        assert (loud[0] == pytest.approx(quiet[0])) is (least == 0.7)
        assert loud[1] > quiet[1] + 0.1


def test_no_boxes_at_all_is_a_loss_too() -> None:
    none = Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
    maps = [torch.zeros(2, 3, SIDE // s, SIDE // s, 5 + KINDS, requires_grad=True) for s in STRIDES]
    for classes in ("assigned", "overlap"):
        loss = replace(read_recipe("ding2022").loss, classes=classes, assignment="ratio")
        found = yolo_losses(maps, none, ANCHORS, STRIDES, loss, "v5")
        assert float(found["box"]) == 0
        assert torch.isfinite(found["loss"])
