"""The five-minute tour: seven pictures of what the library traces, that say what their sentences say."""

import json
import re
from statistics import fmean

import pytest
import torch
from browsing import soup
from bs4 import BeautifulSoup
from miniature import REPOSITORY

from oversmooth_book.show import picture, tour

PUBLISHED = REPOSITORY / "data" / "published"
PAGE = "chapters/tour.html"


@pytest.fixture(scope="module")
def found():
    return tour.read(PUBLISHED)


def drawn(name, found):
    return BeautifulSoup(tour.tour_picture(name, found), "html.parser")


def test_the_pictures_are_what_the_library_traces(found):
    again = json.loads(json.dumps(tour.measure()))
    assert again["labels"] == found["labels"]
    for name in ("feature", "errors"):
        assert torch.allclose(torch.tensor(again[name]), torch.tensor(found[name]), atol=2e-3), name
    for name in ("answers", "output_errors", "gradients"):
        for state, values in found[name].items():
            assert torch.allclose(torch.tensor(again[name][state]), torch.tensor(values), rtol=0.02, atol=2e-3)
    assert again["losses"] == pytest.approx(found["losses"], abs=1e-3)


def test_gradients_and_errors_are_autograds(found):
    """By another road: torch alone, dense, layer by layer."""
    data, network = picture.subject()
    P, weights = network.propagation.to_dense(), [w.detach().clone().requires_grad_() for w in network.weights]
    X = data.x
    for weight in weights[:-1]:
        X = torch.tanh(P @ X @ weight)
    errors = (P @ X @ weights[-1])[:, 0] - data.y
    errors.square().mean().backward()
    assert errors.tolist() == pytest.approx(found["output_errors"]["untrained"], abs=1e-3)
    assert [float(w.grad.norm()) for w in weights] == pytest.approx(found["gradients"]["untrained"], rel=0.01)


def test_each_sentence_is_true_of_its_picture(found):
    shown = found["picture"]
    spread = {
        layer: torch.tensor(one).square().mean().sqrt().item()
        for layer, one in zip(picture.LAYERS, shown["features"], strict=True)
    }
    size = [torch.tensor(one).square().mean().sqrt().item() for one in found["feature"]]
    assert size[1] < 0.7 * size[0], "a layer averages"
    assert spread[0] > 0.3 > 0.1 > spread[16] > spread[32] and spread[32] < 0.01, "until all have the same features"
    answers = found["answers"]["untrained"]
    assert max(answers) - min(answers) < 0.01, "all answers are alike"
    bottom, middle, top = (torch.tensor(one).square().mean().sqrt().item() for one in found["errors"])
    assert max(bottom, middle) < 0.1 < 0.5 < top, "the error is smoothed on its way down"
    before, after = (fmean(found["output_errors"][state]) for state in ("untrained", "trained"))
    assert abs(before) > 0.4 and abs(after) < 0.01, "the last layer removes the mean"
    gradients = found["gradients"]
    assert max(gradients["trained"]) < min(gradients["untrained"]) / 100, "silence in every layer"
    constant = torch.tensor(found["labels"]).double().var(correction=0).item()
    assert found["losses"]["trained"] == pytest.approx(constant, abs=0.005), "the loss of a constant answer"
    assert min(gradients["alone"][:-1]) > 5 * max(gradients["trained"]), "without the graph all layers go on learning"
    assert found["losses"]["alone"] < found["losses"]["trained"] - 0.03


def test_bars_are_as_high_as_gradients(found):
    for name, states in (("silence", tour.STATES), ("alone", ["alone"])):
        plots = drawn(name, found).find_all("figure")
        assert len(plots) == len(states)
        for plot, state in zip(plots, states, strict=True):
            heights, wanted = [float(bar["height"]) for bar in plot("rect")], found["gradients"][state]
            top = max(max(values) for values in found["gradients"].values())
            assert heights == pytest.approx([max(tour.LEAST, tour.HIGH * value / top) for value in wanted], abs=0.06)
            assert f"loss {found['losses'][state]:.2f}" in plot.text


def test_dots_stand_at_their_errors_and_the_mark_at_their_mean(found):
    plots = drawn("mean", found).find_all("figure")
    for plot, state in zip(plots, tour.STATES, strict=True):
        errors = found["output_errors"][state]
        places = [float(dot["cx"]) for dot in plot("circle")]
        assert places == pytest.approx([tour.WIDE / 2 * (1 + error / 1.2) for error in errors], abs=0.06)
        assert [dot["class"] for dot in plot("circle")] == [["low"] if error < 0 else ["high"] for error in errors]
        mark = float(re.match(r"M([\d.]+) ", plot.select_one(".mean")["d"])[1])
        assert mark == pytest.approx(fmean(places), abs=0.1)


def test_the_ring_has_all_its_neighbours(found):
    edges = found["picture"]["edges"]
    lines = drawn("average", found).select_one(".bold")["d"].count("L")
    degrees = [sum(node in edge for edge in edges) for node in range(len(found["labels"]))]
    assert lines == max(degrees)


def test_seven_pictures_each_with_its_chapter(site):
    article = soup(site / PAGE).select_one("article")
    pictures = article.select(".tour-picture")
    assert len(pictures) == len(tour.ALTS) == 7 and len({one["aria-label"] for one in pictures}) == 7
    assert len(soup(site / PAGE).select("#picture-graph")) == 1
    for one in pictures:
        section = one.find_parent("section")
        assert section.p.strong and section.select("p a.reference.internal"), "a sentence, and its chapter"


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_pictures_move_only_where_motion_is_wanted(visit, motion, moves):
    open_page, complaints = visit
    page = open_page(PAGE, reduced_motion=motion)
    names = page.locator(".tour-picture .signal").evaluate_all(
        "all => all.map(one => getComputedStyle(one).animationName)"
    )
    assert set(names) == ({"appear"} if moves else {"none"})
    last = page.locator(".tour-picture").last
    last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 300)
    page.wait_for_function(
        "getComputedStyle([...document.querySelectorAll('.tour-picture .signal')].at(-1)).opacity > 0.99"
    )
    assert page.locator(".picture-play").count() == 0 and complaints == []
