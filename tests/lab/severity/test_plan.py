"""When a training ends, and how a benchmark shares its time: no torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from melascope.lab.severity.benchmark import Starts, allowance, entries, known_models, spent_s
from melascope.lab.severity.cards import CARDS, NAMES
from melascope.lab.severity.ending import best_epoch, ending, images_per_second
from melascope.lab.severity.recipe import Stop, read_recipe
from melascope.severity.paper import paper

STOP = Stop(epochs=60, patience=3, keep="best")


def history(*losses: float, seconds: float = 60.0) -> list[dict[str, float]]:
    return [{"validation_loss": loss, "seconds": seconds, "train_images": 600.0} for loss in losses]


@pytest.mark.parametrize(
    ("losses", "ends_after"),
    [
        ((1.0, 0.9, 0.8, 0.7), None),
        ((1.0, 1.1, 1.1, 1.1), 4),
        ((1.0, 0.9, 0.9, 0.9, 0.9), 5),  # as good is not better
        ((1.0, 1.1, 1.2, 0.9, 1.0, 1.0), None),
        ((1.0, 1.1, 1.2, 0.9, 1.0, 1.0, 1.0), 7),
        ((float("nan"), float("nan"), float("nan"), float("nan")), 4),
    ],
)
def test_early_stopping_is_the_papers(losses: tuple[float, ...], ends_after: int | None) -> None:
    ended = next((n for n in range(1, len(losses) + 1) if ending(history(*losses[:n]), STOP)), None)
    assert ended == ends_after


def test_the_last_epoch_and_the_budget_end_it_too() -> None:
    assert ending(history(3, 2, 1), Stop(3, 0, "last")) == "all epochs done"
    assert ending(history(1, 2, 3, 4, 5), Stop(9, 0, "last")) == ""
    assert "after 2 epochs" in ending(history(3, 2), STOP, budget_s=179)
    assert ending(history(3, 2), STOP, budget_s=180) == ""
    assert ending([], STOP, budget_s=0) == ""  # the first epoch always runs


def test_the_best_epoch_is_the_first_of_the_lowest() -> None:
    assert best_epoch(history(3, 1, 2, 1)) == 2
    assert best_epoch([]) == 0


def test_speed_is_that_of_the_faster_epochs() -> None:
    rows = [*history(1, seconds=100.0), *history(1, 1, seconds=50.0)]
    assert images_per_second(rows) == pytest.approx(12.0)
    assert images_per_second([]) is None


def test_a_plan_has_the_six_and_ours(tmp_path: Path) -> None:
    paper_, own = read_recipe("zhang2025"), read_recipe("melascope")
    plan = entries(tmp_path, known_models(""), [paper_], "googlenet", own)
    assert [entry.name for entry in plan] == [*NAMES, "googlenet"]
    assert len({entry.folder for entry in plan}) == 7
    assert plan[-1].recipe is own
    assert max(plan, key=lambda entry: entry.effort).name == "vgg16"
    assert len(entries(tmp_path, ("googlenet",), [paper_, own], "googlenet", own)) == 2


def test_time_that_is_not_needed_passes_on() -> None:
    efforts = [1.0, 2.0, 5.0]
    first = allowance(80.0, [], efforts)
    assert first == pytest.approx(10.0)
    assert allowance(80.0, [4.0], efforts[1:]) == pytest.approx(76 * 2 / 7)
    assert allowance(80.0, [4.0, 10.0], efforts[2:]) == pytest.approx(66.0)
    assert allowance(80.0, [90.0], [1.0]) == 0


def test_time_spent_is_read_from_the_history(tmp_path: Path) -> None:
    assert spent_s(tmp_path) == 0
    (tmp_path / "history.csv").write_text("epoch,seconds\n1,10.5\n2,2\n", encoding="utf-8")
    assert spent_s(tmp_path) == 12.5


def test_weights_by_name_and_from_another_benchmark(tmp_path: Path) -> None:
    starts = Starts("none", {"vgg16": "imagenet", "googlenet": str(tmp_path)})
    assert starts.of("alexnet", "zhang2025") == "none"
    assert starts.of("vgg16", "zhang2025") == "imagenet"
    assert starts.of("googlenet", "zhang2025") == str(tmp_path)  # a run
    (tmp_path / "runs" / "googlenet-zhang2025").mkdir(parents=True)
    assert starts.of("googlenet", "melascope") == str(tmp_path / "runs" / "googlenet-zhang2025")
    (tmp_path / "runs" / "googlenet-pretrain").mkdir()
    assert starts.of("googlenet", "melascope") == str(tmp_path / "runs" / "googlenet-pretrain")
    (tmp_path / "runs" / "googlenet-melascope").mkdir()
    assert starts.of("googlenet", "melascope") == str(tmp_path / "runs" / "googlenet-melascope")


def test_the_cards_are_the_papers_six() -> None:
    # The paper's tables know each of them by its title.
    assert all(card.title in paper().architectures for card in CARDS.values())
    assert len(NAMES) == 6
    assert all(card.side == 224 and card.paper for card in CARDS.values())
