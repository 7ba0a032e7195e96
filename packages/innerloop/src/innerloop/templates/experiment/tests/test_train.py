from train import fit, points


def test_the_line_is_found():
    result = fit(points(200, seed=0), steps=200, learning_rate=0.1)
    assert abs(result["slope"] - 3) < 0.1
    assert abs(result["intercept"] - 1) < 0.1


def test_more_steps_fit_better():
    data = points(50, seed=1)
    assert fit(data, 50, 0.1)["loss"] < fit(data, 5, 0.1)["loss"]
