"""Progress where nobody looks at a terminal."""

from __future__ import annotations

from photos.vision import progress


def test_long_work_tells_a_log_line_by_line(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 1e-9)
    with progress.progress_bar(total=3, desc="Describing", unit="picture") as bar:
        for _picture in range(3):
            bar.update()
    told = capsys.readouterr().err
    assert "Describing:  33%" in told.split("\n")[0]
    assert "3/3" in told.strip().split("\n")[-1]
    assert "\r" not in told


def test_short_work_tells_it_nothing(capsys):
    with progress.progress_bar(total=3) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""
