"""The notebooks run from top to bottom, on any data, and hold no outputs."""

import csv
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.corpus import make_rows

FOLDER = Path(__file__).parents[2] / "modeling" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def run(notebook: Any) -> Any:
    """The notebook with its outputs; a cell that fails is an error."""
    client = NotebookClient(notebook, timeout=240, startup_timeout=180, kernel_name="python3")
    return client.execute(cwd=str(FOLDER))


def shown(notebook: Any) -> str:
    return "\n".join(str(output) for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_in_the_repository_holds_no_outputs(path: Path) -> None:
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert code
    assert [] == [cell.source for cell in code if cell.outputs or cell.execution_count is not None]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_knows_the_library_alone(path: Path) -> None:
    source = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    rooms = ("workflow", "prediction_service", "frontend", "moderation", "mlflow", "os")
    lines = [line.split() for line in source.splitlines()]
    imported = {words[1].partition(".")[0] for words in lines if words[:1] in (["import"], ["from"])}
    assert "modeling" in imported
    assert set() == imported & set(rooms)


def test_the_exploration_runs_on_the_sample_as_it_stands() -> None:
    done = run(read(FOLDER / "explore.ipynb"))
    assert "image/png" in shown(done)
    assert "score 0." in shown(done)


def test_the_exploration_runs_on_other_data(tmp_path: Path) -> None:
    with (tmp_path / "corpus.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("comment", "gone"), *make_rows(600)])
    notebook = read(FOLDER / "explore.ipynb")
    [cell] = [one for one in notebook.cells if "parameters" in one.metadata.get("tags", [])]
    cell.source += f"\nDATA, TEXT_COLUMN, LABEL_COLUMN = {str(tmp_path / 'corpus.csv')!r}, 'comment', 'gone'"
    assert "corpus.csv, learning part, n = " in shown(run(notebook))
